import type { ResourceName } from '../../xds-server/serve/index.ts';
import type { WantedResource } from '../pipeline/config-states.ts';

/** What a node's Envoy has, as its agent says. */
export interface NodeHolding {
  /** The version that it accepted last. */
  version(name: ResourceName): string | undefined;
  /** What it says of a version that it refuses. */
  refusal(name: ResourceName): NodeRefusal | undefined;
}

export interface NodeRefusal {
  readonly version: string;
  /** In Envoy's words. */
  readonly message: string;
}

/** How far nodes have come with what a config is. */
export interface Progress {
  readonly total: number;
  /** Nodes that have all of it. */
  readonly programmed: number;
  /** Nodes that have not and refuse nothing, sorted. */
  readonly waiting: readonly string[];
  /** Of those, such as their agents say nothing of. */
  readonly silent: number;
  readonly refused: readonly RefusedResource[];
}

export interface RefusedResource {
  readonly resource: WantedResource;
  readonly message: string;
  /** Sorted. */
  readonly nodes: readonly string[];
}

/**
 * @param nodes that are to have it, sorted
 * @param holdingOf undefined for a node whose agent says nothing
 */
export function progressOf(
  wanted: readonly WantedResource[],
  nodes: readonly string[],
  holdingOf: (node: string) => NodeHolding | undefined,
): Progress {
  const waiting: string[] = [];
  const refused = new Map<string, { readonly resource: WantedResource; readonly message: string; readonly nodes: string[] }>();
  let programmed = 0;
  let silent = 0;
  for (const node of nodes) {
    const holding = holdingOf(node);
    const missing = wanted.filter((each) => holding?.version(each) !== each.version);
    const refusals = missing.flatMap((resource) => {
      const refusal = holding?.refusal(resource);
      return refusal?.version === resource.version ? [{ resource, message: refusal.message }] : [];
    });
    for (const { resource, message } of refusals) {
      const key = JSON.stringify([resource.typeUrl, resource.name, message]);
      const known = refused.get(key) ?? { resource, message, nodes: [] };
      known.nodes.push(node);
      refused.set(key, known);
    }
    if (missing.length === 0) programmed++;
    else if (refusals.length === 0) waiting.push(node);
    if (!holding && missing.length > 0) silent++;
  }
  return { total: nodes.length, programmed, waiting, silent, refused: [...refused.values()] };
}
