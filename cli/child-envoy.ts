import { buildBootstrap, type EnvoyEvent, EnvoyProcess, type StateFolder } from '../agent/index.ts';
import type { Settings } from '../settings/index.ts';
import { envoyBinary } from './envoy-binary.ts';
import { readVersions } from './version.ts';

/** How Envoy names the group that it belongs to. */
export const ENVOY_CLUSTER = 'sluice';

export interface ChildEnvoyOptions {
  readonly state: StateFolder;
  readonly settings: Settings['envoy'];
  readonly nodeId: string;
  readonly onEvent: (event: EnvoyEvent) => void;
}

/** The Envoy that a process starts by itself, on a state folder, and that outlives it. */
export function createChildEnvoy({ state, settings, nodeId, onEvent }: ChildEnvoyOptions): EnvoyProcess {
  const { xdsSocket, adminSocket } = state;
  return new EnvoyProcess({
    binary: envoyBinary(),
    version: readVersions().envoy,
    state,
    bootstrap: buildBootstrap({ nodeId, cluster: ENVOY_CLUSTER, xdsSocket, adminSocket, settings }),
    settings,
    onEvent,
  });
}
