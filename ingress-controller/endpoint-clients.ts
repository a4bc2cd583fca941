import type { EndpointClients, EndpointHints } from '../model/index.ts';

interface Placed extends EndpointHints {
  /** Still answers while it goes away. */
  readonly draining: boolean;
  readonly node: string | undefined;
}

/** Those that are going away count only while none is ready. */
export function serving<C extends Pick<Placed, 'draining'>>(candidates: readonly C[]): readonly C[] {
  const ready = candidates.filter(({ draining }) => !draining);
  return ready.length > 0 ? ready : candidates;
}

/**
 * The same for clients of each node: where the traffic policy is `Local` of its own endpoints, and otherwise of all, with hints where each that is ready has
 * some.
 * @see https://kubernetes.io/docs/concepts/services-networking/service-traffic-policy/
 */
export function servingNodes<C extends Placed>(
  candidates: readonly C[],
  isLocal: boolean,
): readonly (C & { readonly clients?: EndpointClients })[] {
  if (isLocal) return [...Map.groupBy(candidates, ({ node }) => node)].flatMap(([node, own]) => ofNode(serving(own), node));
  const usable = serving(candidates);
  const isReady = usable.every(({ draining }) => !draining);
  const all = (hints: keyof EndpointHints) => isReady && usable.every((candidate) => candidate[hints].length > 0);
  const [nodes, zones] = [all('nodeHints'), all('zoneHints')];
  if (!nodes && !zones) return usable;
  return usable.map((candidate) => {
    const { nodeHints, zoneHints } = candidate;
    return { ...candidate, clients: { kind: 'hinted', nodeHints: nodes ? nodeHints : [], zoneHints: zones ? zoneHints : [] } };
  });
}

/** What is on no node is for nobody. */
function ofNode<C>(own: readonly C[], node: string | undefined): readonly (C & { readonly clients: EndpointClients })[] {
  return node === undefined ? [] : own.map((candidate) => ({ ...candidate, clients: { kind: 'of-node', node } }));
}
