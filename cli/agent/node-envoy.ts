import type { EnvoyEvent, StateFolder } from '../../agent/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { ListenAddress } from '../../xds-server/serve/index.ts';
import { createChildEnvoy } from '../child-envoy.ts';
import { envoyEntry } from '../envoy-events.ts';
import type { EnvoyState } from '../envoy-state.ts';
import type { Log } from '../log.ts';

/**
 * Who runs Envoy. `child`: the agent starts it, and it outlives the agent. `elsewhere`: another container does, with which a
 * folder of sockets is shared.
 */
export type EnvoyPlace = { readonly kind: 'child' } | { readonly kind: 'elsewhere'; readonly folder: string };

/** The Envoy of a node, whoever runs it. */
export interface NodeEnvoy {
  /** Where it asks for its configuration. */
  readonly xdsAddress: ListenAddress;
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
  const onEvent = (event: EnvoyEvent) => {
    parts.envoyState.note(event);
    parts.log(envoyEntry(event));
  };
  if (place.kind === 'elsewhere') throw new Error('not yet');
  return childEnvoy(parts, onEvent);
}

function childEnvoy({ state, settings, nodeName }: NodeEnvoyParts, onEvent: (event: EnvoyEvent) => void): NodeEnvoy {
  const envoy = createChildEnvoy({ state, settings, nodeId: nodeName, onEvent });
  return {
    xdsAddress: { path: state.xdsSocket },
    start: () => envoy.start(),
    leave: async () => envoy.detach(),
  };
}
