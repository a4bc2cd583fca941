import type { Action } from '../../kube/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import type { Settings } from '../../settings/index.ts';
import { quote } from '../quote.ts';
import { diagnose } from '../report.ts';
import { type ClusterObjects, type ClusterOutcome, deletion } from './ingress-objects.ts';
import { NODES_SERVICE, SHARED_NAME, secondSliceName } from './names.ts';
import { readyAddresses } from './nodes.ts';
import { ownershipByLabel } from './ownership.ts';
import { type Placement, SHARED_NODE_PORTS } from './placement.ts';
import { compareService, type WantedService } from './service.ts';
import { compareSlice } from './slice.ts';

export interface SharedSituation {
  readonly placement: Exclude<Placement, { readonly kind: 'standalone' }>;
  /** Whether an Ingress of ours is in mode `shared`. */
  readonly isUsed: boolean;
  readonly settings: Settings['ingress'];
}

/**
 * Compares what all Ingresses together want of the cluster with what is there: the shared Service. It is made for the first Ingress that
 * wants it, since a load balancer costs money, and stays when the last is gone, since its address stands in DNS: deleting and creating an
 * Ingress again must not change it. Where nodes are reached by ports of their own, it goes.
 */
export function reconcileShared(situation: SharedSituation, objects: ClusterObjects): ClusterOutcome {
  const { placement, isUsed } = situation;
  const { namespace } = placement;
  const nodes = objects.nodes();
  const diagnostics: Diagnostic[] = [];
  if (readyAddresses(nodes).length === 0) {
    const agents = { kind: 'Service', namespace, name: NODES_SERVICE };
    diagnostics.push(diagnose(agents, [], 'NoNodes', 'no agent is ready on any node, so no Ingress is served'));
  }
  const service = objects.service({ namespace, name: SHARED_NAME });
  const ownership = ownershipByLabel(service);
  if (placement.kind === 'host-network') return { actions: withdrawShared(namespace, objects), diagnostics };
  if (ownership === 'foreign' && isUsed) diagnostics.push(taken('Service', namespace, SHARED_NAME));
  if (ownership === 'foreign' || ownership === 'going' || !(isUsed || ownership === 'ours')) return { actions: [], diagnostics };
  const actions = [compareService(wantedService(namespace, situation.settings), service)];
  for (const addressType of ['IPv4', 'IPv6'] as const) {
    const name = addressType === 'IPv4' ? SHARED_NAME : secondSliceName(SHARED_NAME);
    const slice = objects.slice({ namespace, name });
    const ofSlice = ownershipByLabel(slice);
    if (addressType === 'IPv6' && nodes.IPv6.length === 0) {
      if (slice && ofSlice === 'ours') actions.push(deletion(slice));
      continue;
    }
    if (ofSlice === 'foreign') diagnostics.push(taken('EndpointSlice', namespace, name));
    if (ofSlice === 'foreign' || ofSlice === 'going') continue;
    const base = { namespace, name, service: SHARED_NAME, addressType, ports: SHARED_NODE_PORTS };
    actions.push(compareSlice({ ...base, nodes: nodes[addressType], ownerReferences: [] }, slice));
  }
  return { actions: actions.filter((action) => action !== undefined), diagnostics };
}

function wantedService(namespace: string, { service }: Settings['ingress']): WantedService {
  const { labels = {}, annotations = {}, ...options } = service;
  return {
    namespace,
    name: SHARED_NAME,
    options: {
      type: options.type,
      externalTrafficPolicy: options.externalTrafficPolicy,
      loadBalancerClass: options.loadBalancerClass,
      insecureNodePort: options.insecureNodePort,
      secureNodePort: options.secureNodePort,
    },
    labels,
    annotations,
    ownerReferences: [],
  };
}

function withdrawShared(namespace: string, objects: ClusterObjects): readonly Action[] {
  const slices = [SHARED_NAME, secondSliceName(SHARED_NAME)].map((name) => objects.slice({ namespace, name }));
  return [objects.service({ namespace, name: SHARED_NAME }), ...slices].flatMap((object) =>
    object && ownershipByLabel(object) === 'ours' ? [deletion(object)] : [],
  );
}

function taken(kind: 'Service' | 'EndpointSlice', namespace: string, name: string): Diagnostic {
  return diagnose({ kind, namespace, name }, [], 'ServiceNameTaken', `${kind} ${quote(`${namespace}/${name}`)} exists and is not ours`);
}
