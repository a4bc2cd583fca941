import type { Collection, Graph } from '../../collection/index.ts';
import {
  type ClusterObjects,
  type ClusterOutcome,
  gatherNodes,
  NODES_SERVICE,
  type Placement,
  reconcileIngress,
  reconcileShared,
  SERVICE_NAME_LABEL,
} from '../../ingress-controller/index.ts';
import type { Action } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import type { Settings } from '../../settings/index.ts';
import { ALL, type SiteStages } from './ingress-sites.ts';
import { type Inputs, inputKey } from './inputs.ts';

export interface ActionStages {
  /** What one Ingress wants to be done, by its `namespace/name`, and what all of them want. */
  readonly outcomes: Collection<ClusterOutcome>;
  /** By {@link actionKey}. */
  readonly actions: Collection<Action>;
}

/** Names what an action does to which object: `apply:Service/default/cilium-ingress-web`. */
export function actionKey({ kind, ref }: Action): string {
  return `${kind}:${objectKey(ref)}`;
}

/** The differences between what Ingresses want of the cluster and what is there; none where this runs by itself. */
export function buildActions(graph: Graph, inputs: Inputs, sites: SiteStages, settings: Settings, placement: Placement): ActionStages {
  if (placement.kind === 'standalone') {
    return { outcomes: graph.input('cluster outcomes'), actions: graph.input('actions') };
  }
  const nodeSlices = graph.group('slices of agents', inputs.endpointSlices, ({ metadata, ...slice }) =>
    metadata.namespace === placement.namespace && metadata.labels[SERVICE_NAME_LABEL] === NODES_SERVICE
      ? [[ALL, { ...slice, metadata }] as const]
      : [],
  );
  const nodes = graph.derive('nodes', nodeSlices, (slices) => gatherNodes(slices));
  const none = gatherNodes([]);
  const objectsOf = (read: <V>(collection: Collection<V>, key: string) => V | undefined): ClusterObjects => ({
    service: (ref) => read(inputs.services, inputKey(ref)),
    slice: (ref) => read(inputs.endpointSlices, inputKey(ref)),
    nodes: () => read(nodes, ALL) ?? none,
  });
  const ofIngresses = graph.derive('cluster outcomes of ingresses', inputs.ingresses, (ingress, key, read) => {
    const port = read(sites.ports, key) ?? read(sites.chosenPorts, key);
    const situation = { placement, mode: read(sites.modes, key), port, settings: settings.ingress };
    return reconcileIngress(ingress, situation, objectsOf(read));
  });
  const sharedUsers = graph.group('shared ingresses', sites.modes, (mode): [string, true][] => (mode === 'shared' ? [[ALL, true]] : []));
  const areShared = graph.derive('shared ingresses at all', sharedUsers, () => true);
  const ofAll = graph.derive('cluster outcome of all', inputs.clock, (_now, _key, read) =>
    reconcileShared({ placement, isUsed: read(areShared, ALL) === true, settings: settings.ingress }, objectsOf(read)),
  );
  const outcomes = graph.union('cluster outcomes', ofIngresses, ofAll);
  const byKey = graph.group('actions by key', outcomes, ({ actions }) => actions.map((action) => [actionKey(action), action] as const));
  return { outcomes, actions: graph.derive('actions', byKey, ([action]) => action) };
}
