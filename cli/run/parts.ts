import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { buildBootstrap, type EnvoyEvent, EnvoyProcess, type StateFolder } from '../../agent/index.ts';
import { FolderSource } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { ClientStatus } from '../../xds-server/serve/index.ts';
import { ControlParts } from '../control/control-parts.ts';
import type { RoleStatus } from '../control/control-view.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { readVersions } from '../version.ts';
import { envoyEntry } from './envoy-events.ts';
import { EnvoyState } from './envoy-state.ts';
import type { RunOptions } from './run.ts';

/** How Envoy names the group that it belongs to. */
const ENVOY_CLUSTER = 'sluice';

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
    const versions = readVersions();
    this.control = new ControlParts({
      source: new FolderSource(manifests),
      pipeline: { settings, ports: { address, http: httpPort, https: httpsPort, reserved: [adminPort] } },
      log,
      describeRole: (clients) => this.#describeRole(clients),
    });
    this.envoyState = new EnvoyState(versions.envoy);
    this.envoy = createEnvoy(state, settings.envoy, {
      nodeId: this.nodeId,
      version: versions.envoy,
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

interface EnvoyAbout {
  readonly nodeId: string;
  readonly version: string;
  readonly onEvent: (event: EnvoyEvent) => void;
}

function createEnvoy(state: StateFolder, settings: Settings['envoy'], { nodeId, version, onEvent }: EnvoyAbout): EnvoyProcess {
  const { xdsSocket, adminSocket } = state;
  return new EnvoyProcess({
    binary: envoyBinary(),
    version,
    state,
    bootstrap: buildBootstrap({ nodeId, cluster: ENVOY_CLUSTER, xdsSocket, adminSocket, settings }),
    settings,
    onEvent,
  });
}
