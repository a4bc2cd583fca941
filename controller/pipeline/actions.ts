import type { Collection, Graph } from '../../collection/index.ts';
import {
  type ClusterObjects,
  type ClusterOutcome,
  gatherNodes,
  NODES_SERVICE,
  type Nodes,
  type Placement,
  reconcileIngress,
  reconcileShared,
  SERVICE_NAME_LABEL,
} from '../../ingress-controller/index.ts';
import type { Action } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import { ALL } from './ingress-sites.ts';
import { type Inputs, inputKey, NOW } from './inputs.ts';
import type { ModelStages } from './model.ts';
import type { NodeScopeStages } from './node-scope.ts';
import { settingsStatus } from './settings-status.ts';

export interface ActionStages {
  /** What one Ingress wants to be done, by its `namespace/name`, what all of them want, and what settings objects are to be told. */
  readonly outcomes: Collection<ClusterOutcome>;
  /** By {@link actionKey}. */
  readonly actions: Collection<Action>;
  /** The nodes that serve, at the key {@link ALL}; nothing where this runs by itself. */
  readonly nodes: Collection<Nodes>;
}

/** Names what an action does to which object: `apply:Service/default/cilium-ingress-web`. */
export function actionKey({ kind, ref }: Action): string {
  return `${kind}:${objectKey(ref)}`;
}

/**
 * The differences between what Ingresses want of the cluster and what is there; none where this runs by itself.
 * @param first where Ingresses are served by the settings of the file: by itself or in a cluster is what no setting changes, nor the namespace
 */
export function buildActions(
  graph: Graph,
  inputs: Inputs,
  { sites, settings, slicesOfServices }: Pick<ModelStages, 'sites' | 'settings' | 'slicesOfServices'>,
  { first, isServing }: { readonly first: Placement } & Pick<NodeScopeStages, 'isServing'>,
): ActionStages {
  if (first.kind === 'standalone') {
    return { outcomes: graph.input('cluster outcomes'), actions: graph.input('actions'), nodes: graph.input('nodes') };
  }
  const nodeSlices = graph.group('slices of agents', inputs.endpointSlices, ({ metadata, ...slice }) =>
    metadata.namespace === first.namespace && metadata.labels[SERVICE_NAME_LABEL] === NODES_SERVICE
      ? [[ALL, { ...slice, metadata }] as const]
      : [],
  );
  const nodes = graph.derive('nodes', nodeSlices, (slices, _key, read) => gatherNodes(slices, (node) => isServing(read, node)));
  const none = gatherNodes([]);
  const objectsOf = (read: <V>(collection: Collection<V>, key: string) => V | undefined): ClusterObjects => ({
    service: (ref) => read(inputs.services, inputKey(ref)),
    slice: (ref) => read(inputs.endpointSlices, inputKey(ref)),
    slicesOf: (ref) => read(slicesOfServices, inputKey(ref)) ?? [],
    nodes: () => read(nodes, ALL) ?? none,
  });
  const ofIngresses = graph.derive('cluster outcomes of ingresses', inputs.ingresses, (ingress, key, read) => {
    const port = read(sites.ports, key) ?? read(sites.chosenPorts, key);
    const placement = read(settings.placement, NOW);
    const own = read(settings.ingress, NOW);
    if (!own || !placement || placement.kind === 'standalone') return undefined;
    const situation = { placement, mode: read(sites.modes, key), port, settings: own };
    return reconcileIngress(ingress, situation, objectsOf(read));
  });
  const sharedUsers = graph.group('shared ingresses', sites.modes, (mode): [string, true][] => (mode === 'shared' ? [[ALL, true]] : []));
  const areShared = graph.derive('shared ingresses at all', sharedUsers, () => true);
  const ofAll = graph.derive('cluster outcome of all', inputs.clock, (_now, _key, read) => {
    const placement = read(settings.placement, NOW);
    const own = read(settings.ingress, NOW);
    if (!own || !placement || placement.kind === 'standalone') return undefined;
    return reconcileShared({ placement, isUsed: read(areShared, ALL) === true, settings: own }, objectsOf(read));
  });
  const ofSettings = graph.derive('cluster outcomes of settings', inputs.verdicts, (verdict): ClusterOutcome | undefined => {
    const action = settingsStatus(verdict);
    return action && { actions: [action], diagnostics: [] };
  });
  const outcomes = graph.union('cluster outcomes', ofIngresses, ofAll, ofSettings);
  const byKey = graph.group('actions by key', outcomes, ({ actions }) => actions.map((action) => [actionKey(action), action] as const));
  return { outcomes, nodes, actions: graph.derive('actions', byKey, ([action]) => action) };
}
