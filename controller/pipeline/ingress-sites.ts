import type { Collection, Graph } from '../../collection/index.ts';
import {
  choosePort,
  dedicatedName,
  isDefaultClass,
  type LoadBalancerMode,
  loadBalancerMode,
  type Management,
  managesIngress,
  type PortClaim,
  portOwner,
  rememberedPort,
  SLICE_MANAGED_BY_LABEL,
  SLICE_MANAGER,
} from '../../ingress-controller/index.ts';
import { type Inputs, inputKey, NOW } from './inputs.ts';
import type { SettingsStages } from './settings-in-force.ts';

/** The key of groups that hold everything of a kind. */
export const ALL = 'all';

/** Rounds in which Ingresses that would choose the same free port at once are told apart; what remains is settled by age. */
const ROUNDS = 3;

/** Which Ingresses are ours and where they are served; by `namespace/name`. */
export interface SiteStages {
  readonly management: Collection<Management>;
  /** Of those that are ours and not going away. */
  readonly modes: Collection<LoadBalancerMode>;
  /** The port of the nodes that an Ingress with a load balancer of its own has. */
  readonly ports: Collection<number>;
  /** The port that such an Ingress is to have, as long as it has none. */
  readonly chosenPorts: Collection<number>;
}

export function buildSites(graph: Graph, inputs: Inputs, settings: SettingsStages): SiteStages {
  const defaultClasses = graph.group('default ingress classes', inputs.ingressClasses, (ingressClass, name): [string, string][] =>
    isDefaultClass(ingressClass) ? [[ALL, name]] : [],
  );
  const management = graph.derive('management', inputs.ingresses, (ingress, _key, read) => {
    if (ingress.metadata.deletionTimestamp !== undefined) return undefined;
    const classes = read(defaultClasses, ALL) ?? [];
    const own = read(settings.ingress, NOW);
    return own && managesIngress(ingress, (name) => read(inputs.ingressClasses, name), classes, own);
  });
  const modes = graph.derive('load balancer modes', management, ({ managed }, key, read) => {
    const ingress = read(inputs.ingresses, key);
    const own = read(settings.ingress, NOW);
    return managed && ingress && own ? loadBalancerMode(ingress.metadata.annotations, { ingress: own }) : undefined;
  });
  return { management, modes, ...buildPorts(graph, inputs, modes, settings.placement) };
}

/** Ports are remembered in EndpointSlices, and nowhere else. */
function buildPorts(graph: Graph, inputs: Inputs, modes: Collection<LoadBalancerMode>, placement: SettingsStages['placement']) {
  const dedicated = graph.derive('dedicated ingresses', modes, (mode, _key, read) =>
    read(placement, NOW)?.kind === 'load-balancer' && mode === 'dedicated' ? true : undefined,
  );
  const remembered = graph.derive('remembered ports', dedicated, (_dedicated, key, read) => {
    const ingress = read(inputs.ingresses, key);
    if (!ingress) return undefined;
    const { namespace, name, uid } = ingress.metadata;
    const slice = read(inputs.endpointSlices, inputKey({ namespace, name: dedicatedName(name) }));
    if (!slice || slice.metadata.controller === undefined || slice.metadata.controller.uid !== uid) return undefined;
    const port = slice.metadata.deletionTimestamp === undefined ? rememberedPort(slice) : undefined;
    return port === undefined ? undefined : { port, since: Date.parse(slice.metadata.creationTimestamp ?? '') || 0 };
  });
  const claims = graph.group('port claims', remembered, ({ port, since }, ingress): [string, PortClaim][] => [
    [String(port), { ingress, since }],
  ]);
  const ports = graph.derive('ports', remembered, ({ port }, key, read) =>
    portOwner(read(claims, String(port)) ?? []) === key ? port : undefined,
  );
  // Those of Ingresses that are gone count until their slices are, too: traffic still comes by them.
  const taken = graph.group('taken ports', inputs.endpointSlices, (slice): [string, true][] => {
    const isOurs = slice.metadata.labels[SLICE_MANAGED_BY_LABEL] === SLICE_MANAGER && slice.metadata.controller !== undefined;
    const port = isOurs ? rememberedPort(slice) : undefined;
    return port === undefined ? [] : [[String(port), true]];
  });
  return { ports, chosenPorts: buildChoices(graph, dedicated, ports, [claims, taken]) };
}

function buildChoices(
  graph: Graph,
  dedicated: Collection<true>,
  ports: Collection<number>,
  taken: readonly Collection<unknown>[],
): Collection<number> {
  const rounds: Collection<number>[] = [];
  const unavailable = [...taken];
  let waiting = graph.derive<true, true>('ingresses without port', dedicated, (_dedicated, key, read) =>
    read(ports, key) === undefined ? true : undefined,
  );
  for (let round = 1; round <= ROUNDS; round++) {
    const known = [...unavailable];
    const candidates = graph.derive(`candidate ports ${round}`, waiting, (_waiting, key, read) =>
      choosePort(key, (port) => known.some((collection) => read(collection, String(port)) !== undefined)),
    );
    const rivals = graph.group(`candidates by port ${round}`, candidates, (port, key): [string, string][] => [[String(port), key]]);
    const isLast = round === ROUNDS;
    const chosen = graph.derive(`chosen ports ${round}`, candidates, (port, key, read) =>
      isLast || read(rivals, String(port))?.[0] === key ? port : undefined,
    );
    waiting = graph.derive<true, true>(`ingresses without port ${round}`, waiting, (_waiting, key, read) =>
      read(chosen, key) === undefined ? true : undefined,
    );
    unavailable.push(rivals);
    rounds.push(chosen);
  }
  return graph.union('chosen ports', ...rounds);
}
