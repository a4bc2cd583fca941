import { type Action, quote } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { diagnose, Report } from '../report.ts';
import { deletion } from './deletion.ts';
import type { ClusterObjects, ClusterOutcome } from './ingress-objects.ts';
import { NODES_SERVICE, SHARED_NAME } from './names.ts';
import { readyAddresses } from './nodes.ts';
import { ownershipByLabel } from './ownership.ts';
import { type Placement, SHARED_NODE_PORTS } from './placement.ts';
import { compareService, type WantedService } from './service.ts';
import { compareSlices, type PresentSlices, withdrawSlices } from './slices.ts';

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
  const report = new Report({ kind: 'Service', namespace, name: SHARED_NAME });
  const agents = { kind: 'Service', namespace, name: NODES_SERVICE };
  const found = () => [...noNodes, ...report.diagnostics];
  const areNone = readyAddresses(nodes).length === 0;
  const selected = situation.settings.nodes ? ' that the setting ingress.nodes selects' : '';
  const noNodes = areNone ? [diagnose(agents, [], 'NoNodes', `no agent is ready on any node${selected}, so no Ingress is served`)] : [];
  const service = objects.service({ namespace, name: SHARED_NAME });
  const ownership = ownershipByLabel(service);
  if (placement.kind === 'host-network') return { actions: withdrawShared(namespace, objects), diagnostics: found() };
  if (ownership === 'foreign' && isUsed) {
    report.add([], 'ServiceNameTaken', `Service ${quote(`${namespace}/${SHARED_NAME}`)} exists and is not ours`);
  }
  if (ownership === 'foreign' || ownership === 'going' || !(isUsed || ownership === 'ours')) return { actions: [], diagnostics: found() };
  const wanted = { namespace, service: SHARED_NAME, nodes, ports: SHARED_NODE_PORTS, ownerReferences: [] };
  const slices = compareSlices(wanted, presentSlices(namespace, objects), report);
  const actions = [compareService(wantedService(namespace, situation.settings), service), ...slices];
  return { actions: actions.filter((action) => action !== undefined), diagnostics: found() };
}

function presentSlices(namespace: string, objects: ClusterObjects): PresentSlices {
  return { named: objects.slice, all: objects.slicesOf({ namespace, name: SHARED_NAME }), ownership: ownershipByLabel };
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
  const service = objects.service({ namespace, name: SHARED_NAME });
  const own = service && ownershipByLabel(service) === 'ours' ? [deletion(service)] : [];
  return [...own, ...withdrawSlices(presentSlices(namespace, objects))];
}
