import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { EnvoyEvent, EnvoyProcess, StateFolder } from '../../agent/index.ts';
import { FolderSource } from '../../kube/index.ts';
import type { ClientStatus } from '../../xds-server/serve/index.ts';
import { createChildEnvoy } from '../child-envoy.ts';
import { ControlParts } from '../control/control-parts.ts';
import type { RoleStatus } from '../control/control-view.ts';
import { envoyEntry } from '../envoy-events.ts';
import { EnvoyState } from '../envoy-state.ts';
import { readVersions } from '../version.ts';
import type { RunOptions } from './run.ts';

/** Everything that a run consists of, joined together and at rest. */
export class RunParts {
  readonly nodeId = hostname();
  readonly control: ControlParts;
  readonly envoy: EnvoyProcess;
  readonly envoyState: EnvoyState;
  readonly #options: RunOptions;

  constructor(options: RunOptions, state: StateFolder) {
    this.#options = options;
    const { log, settings, address, httpPort, httpsPort, adminPort, manifests } = options;
    this.control = new ControlParts({
      source: new FolderSource(manifests),
      pipeline: { settings, ports: { address, http: httpPort, https: httpsPort, reserved: [adminPort] } },
      log,
      describeRole: (clients) => this.#describeRole(clients),
    });
    this.envoyState = new EnvoyState(readVersions().envoy);
    this.envoy = createChildEnvoy({
      state,
      settings: settings.envoy,
      nodeId: this.nodeId,
      onEvent: (event) => this.#onEnvoyEvent(event),
    });
  }

  #describeRole(clients: readonly ClientStatus[]): RoleStatus {
    const { manifests, address, httpPort, httpsPort } = this.#options;
    const notReady = this.#obstacle(clients);
    return {
      role: 'run',
      manifests: resolve(manifests),
      entry: { address, httpPort, httpsPort },
      envoy: this.envoyState.describe(),
      ...(notReady !== undefined && { notReady }),
    };
  }

  /** Why requests are not served as the manifests have it; undefined where they are. */
  #obstacle(clients: readonly ClientStatus[]): string | undefined {
    if (!this.control.cache.isReady) return 'the manifests are not read yet';
    const { envoyState } = this;
    if (envoyState.isLive && envoyState.servesFirstSnapshot) return undefined;
    if (envoyState.describe().pid === undefined) return 'Envoy does not run';
    const pending = clients.flatMap(({ types }) => types).reduce((sum, type) => sum + type.pending, 0);
    return pending > 0 ? `Envoy has ${pending} resources still to acknowledge` : 'Envoy is on its way';
  }

  #onEnvoyEvent(event: EnvoyEvent): void {
    this.envoyState.note(event);
    this.#options.log(envoyEntry(event));
  }
}
