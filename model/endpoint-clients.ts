/** Whose clients an endpoint is for, where that is not all. */
export type EndpointClients =
  /** Those of a node, and nobody else's. */
  | { readonly kind: 'of-node'; readonly node: string }
  /** Rather those of nodes, or else of zones, that are named. */
  | ({ readonly kind: 'hinted' } & EndpointHints);

export interface EndpointHints {
  readonly nodeHints: readonly string[];
  readonly zoneHints: readonly string[];
}

/** The node that clients are on. */
export interface ClientNode {
  readonly name: string;
  /** Its label `topology.kubernetes.io/zone`. */
  readonly zone?: string;
}

/**
 * Those of the endpoints that are meant for clients of a node, or else of its zone, if every one of them has such hints and one of them is for there.
 * Otherwise all.
 * @param ready all endpoints that are ready
 * @see https://kubernetes.io/docs/concepts/services-networking/topology-aware-routing/#safeguards
 */
export function meantFor<E>(ready: readonly E[], { name, zone }: ClientNode, hintsOf: (endpoint: E) => EndpointHints): readonly E[] {
  const ofNode = meantForPlace(ready, name, (endpoint) => hintsOf(endpoint).nodeHints);
  return ofNode ?? meantForPlace(ready, zone, (endpoint) => hintsOf(endpoint).zoneHints) ?? ready;
}

function meantForPlace<E>(
  ready: readonly E[],
  place: string | undefined,
  hintsOf: (endpoint: E) => readonly string[],
): readonly E[] | undefined {
  if (place === undefined || ready.some((endpoint) => hintsOf(endpoint).length === 0)) return undefined;
  const meant = ready.filter((endpoint) => hintsOf(endpoint).includes(place));
  return meant.length > 0 ? meant : undefined;
}

/** Those of the endpoints of one Service that clients of a node are led to. */
export function endpointsFor<E>(
  endpoints: readonly E[],
  node: ClientNode,
  clientsOf: (endpoint: E) => EndpointClients | undefined,
): readonly E[] {
  const isOfNodes = endpoints.some((endpoint) => clientsOf(endpoint)?.kind === 'of-node');
  if (!isOfNodes) return meantFor(endpoints, node, (endpoint) => hintsOf(clientsOf(endpoint)));
  return endpoints.filter((endpoint) => {
    const clients = clientsOf(endpoint);
    return clients?.kind === 'of-node' && clients.node === node.name;
  });
}

const NO_HINTS: EndpointHints = { nodeHints: [], zoneHints: [] };

function hintsOf(clients: EndpointClients | undefined): EndpointHints {
  return clients?.kind === 'hinted' ? clients : NO_HINTS;
}
