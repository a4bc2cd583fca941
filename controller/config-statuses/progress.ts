import type { ResourceName } from '../../xds-server/serve/index.ts';
import type { WantedResource } from '../pipeline/config-states.ts';

/** What a node's Envoy has, as its agent says. */
export interface NodeHolding {
  /** The version that it accepted last. */
  version(name: ResourceName): string | undefined;
  /** What it says of a version that it refuses; or of one that it accepted, if it refuses a copy of that. */
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
  /** Nodes that have all of it, but refuse copies of listeners, which ask clients the rules of their policies. */
  readonly lackingCopies: number;
  /** Nodes that have not and refuse nothing, sorted. */
  readonly waiting: readonly string[];
  /** Of those, such as their agents say nothing of. */
  readonly silent: number;
  readonly refused: readonly RefusedResource[];
}

export interface RefusedResource {
  readonly resource: WantedResource;
  /** Whether it is a copy of this listener that is refused. */
  readonly isCopy: boolean;
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
  const refused = new Map<string, RefusedResource & { readonly nodes: string[] }>();
  let [programmed, lackingCopies, silent] = [0, 0, 0];
  for (const node of nodes) {
    const holding = holdingOf(node);
    const missing = new Set(wanted.filter((each) => holding?.version(each) !== each.version));
    const refusals = wanted.flatMap((resource) => {
      const refusal = holding?.refusal(resource);
      return refusal?.version === resource.version ? [{ resource, isCopy: !missing.has(resource), message: refusal.message }] : [];
    });
    for (const { resource, isCopy, message } of refusals) {
      const key = JSON.stringify([resource.typeUrl, resource.name, isCopy, message]);
      const known = refused.get(key) ?? { resource, isCopy, message, nodes: [] };
      known.nodes.push(node);
      refused.set(key, known);
    }
    if (missing.size === 0 && refusals.length === 0) programmed++;
    else if (missing.size === 0) lackingCopies++;
    else if (refusals.every(({ isCopy }) => isCopy)) waiting.push(node);
    if (!holding && missing.size > 0) silent++;
  }
  return { total: nodes.length, programmed, lackingCopies, waiting, silent, refused: [...refused.values()] };
}
