import { join } from 'node:path';
import { type AdminClient, buildBootstrap, type EnvoyEvent, ExternalEnvoy, type StateFolder } from '../../agent/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { ListenAddress } from '../../xds-server/serve/index.ts';
import { createChildEnvoy, ENVOY_CLUSTER } from '../child-envoy.ts';
import { envoyEntry, externalEnvoyEntry } from '../envoy-events.ts';
import type { EnvoyState } from '../envoy-state.ts';
import type { Log } from '../log.ts';
import { readVersions } from '../version.ts';

/**
 * Who runs Envoy. `child`: the agent starts it, and it outlives the agent. `elsewhere`: another container does, with which a
 * folder of sockets is shared.
 */
export type EnvoyPlace = { readonly kind: 'child' } | { readonly kind: 'elsewhere'; readonly folder: string };

/** The Envoy of a node, whoever runs it. */
export interface NodeEnvoy {
  /** Where it asks for its configuration. */
  readonly xdsAddress: ListenAddress;
  readonly admin: AdminClient;
  /** Resolves when it serves. @throws EnvoyError where it cannot */
  start(): Promise<void>;
  /** Leaves it to the next agent, serving. */
  leave(): Promise<void>;
}

export interface NodeEnvoyParts {
  readonly state: StateFolder;
  readonly settings: Settings['envoy'];
  readonly nodeName: string;
  readonly log: Log;
  readonly envoyState: EnvoyState;
}

export function createNodeEnvoy(place: EnvoyPlace, parts: NodeEnvoyParts): NodeEnvoy {
  return place.kind === 'child' ? childEnvoy(parts) : externalEnvoy(place.folder, parts);
}

function childEnvoy({ state, settings, nodeName, log, envoyState }: NodeEnvoyParts): NodeEnvoy {
  const onEvent = (event: EnvoyEvent) => {
    envoyState.note(event);
    log(envoyEntry(event));
  };
  const envoy = createChildEnvoy({ state, settings, nodeId: nodeName, onEvent });
  return {
    xdsAddress: { path: state.xdsSocket },
    admin: envoy.admin,
    start: () => envoy.start(),
    leave: async () => envoy.detach(),
  };
}

function externalEnvoy(folder: string, { settings, nodeName, log, envoyState }: NodeEnvoyParts): NodeEnvoy {
  const [xdsSocket, adminSocket] = [join(folder, 'xds.sock'), join(folder, 'admin.sock')];
  const envoy = new ExternalEnvoy({
    folder,
    version: readVersions().envoy,
    bootstrap: buildBootstrap({ nodeId: nodeName, cluster: ENVOY_CLUSTER, xdsSocket, adminSocket, settings }),
    settings,
    onEvent: (event) => {
      envoyState.noteExternal(event);
      log(externalEnvoyEntry(event));
    },
  });
  return {
    xdsAddress: { path: xdsSocket },
    admin: envoy.admin,
    start: async () => envoy.start(),
    leave: () => envoy.stop(),
  };
}
