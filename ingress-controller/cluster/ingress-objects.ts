import { type Action, type EndpointSlice, type Ingress, quote, refOf, type Service } from '../../kube/index.ts';
import type { Diagnostic, ObjectRef } from '../../model/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { LoadBalancerMode } from '../annotations/ingest.ts';
import { ingestServiceOptions } from '../annotations/service-options.ts';
import { Report } from '../report.ts';
import { deletion } from './deletion.ts';
import { dedicatedName, SHARED_NAME } from './names.ts';
import { type Nodes, readyAddresses } from './nodes.ts';
import { isMadeByUs, ownershipByIngress, ownershipByLabel } from './ownership.ts';
import type { Placement } from './placement.ts';
import { compareService, copiedTexts, effectiveClass, type WantedService } from './service.ts';
import { compareSlices, type PresentSlices, withdrawSlices } from './slices.ts';
import { addressesOf, compareStatus, tellsAddressesOf } from './status.ts';

type Ref = Omit<ObjectRef, 'kind'>;

/** What the API server has. Asked only for what is needed, so that each call is a dependency. */
export interface ClusterObjects {
  readonly service: (ref: Ref) => Service | undefined;
  readonly slice: (ref: Ref) => EndpointSlice | undefined;
  /** All that say that they are of a Service. */
  readonly slicesOf: (service: Ref) => readonly EndpointSlice[];
  readonly nodes: () => Nodes;
}

export interface IngressSituation {
  readonly placement: Exclude<Placement, { readonly kind: 'standalone' }>;
  /** Undefined for an Ingress that is not ours. */
  readonly mode: LoadBalancerMode | undefined;
  /** For an Ingress with a load balancer of its own: the port of the nodes that it has, or is to have; undefined where none is free. */
  readonly port: number | undefined;
  readonly settings: Settings['ingress'];
}

export interface ClusterOutcome {
  readonly actions: readonly Action[];
  readonly diagnostics: readonly Diagnostic[];
}

const NOTHING: ClusterOutcome = { actions: [], diagnostics: [] };

/**
 * Compares what one Ingress wants of the cluster with what is there: its Service and EndpointSlices in mode `dedicated`, and its status.
 * An Ingress that is going away wants nothing, and its objects go with the garbage.
 */
export function reconcileIngress(ingress: Ingress, situation: IngressSituation, objects: ClusterObjects): ClusterOutcome {
  if (ingress.metadata.deletionTimestamp !== undefined || ingress.metadata.uid === undefined) return NOTHING;
  const { placement, mode } = situation;
  if (mode === undefined) return abandon(ingress, situation, objects);
  if (placement.kind === 'host-network') {
    const addresses = readyAddresses(objects.nodes()).map((ip) => ({ ip }));
    return outcome([...withdraw(ingress, objects), compareStatus(ingress, addresses)]);
  }
  if (mode === 'dedicated') return reconcileDedicated(ingress, situation, objects);
  const shared = objects.service({ namespace: placement.namespace, name: SHARED_NAME });
  const addresses = ownershipByLabel(shared) === 'ours' ? addressesOf(shared) : [];
  return outcome([...withdraw(ingress, objects), compareStatus(ingress, addresses)]);
}

function outcome(actions: readonly (Action | undefined)[], diagnostics: readonly Diagnostic[] = []): ClusterOutcome {
  return { actions: actions.filter((action) => action !== undefined), diagnostics };
}

function reconcileDedicated(ingress: Ingress, situation: IngressSituation, objects: ClusterObjects): ClusterOutcome {
  const { namespace } = ingress.metadata;
  const name = dedicatedName(ingress.metadata.name);
  const report = new Report(refOf(ingress));
  const service = objects.service({ namespace, name });
  const ownership = ownershipByIngress(service, ingress);
  const status = compareStatus(ingress, ownership === 'ours' ? addressesOf(service) : []);
  if (ownership === 'foreign') {
    report.add([], 'ServiceNameTaken', `Service ${quote(`${namespace}/${name}`)} exists, and this Ingress does not control it`);
  }
  if (ownership === 'foreign' || ownership === 'going') return outcome([status], report.diagnostics);
  const wanted = wantedService(ingress, name, situation.settings);
  const actual = ownership === 'ours' ? service : undefined;
  const { loadBalancerClass } = wanted.options;
  if (
    actual?.spec.type === 'LoadBalancer' &&
    wanted.options.type === 'LoadBalancer' &&
    effectiveClass(wanted, actual) !== loadBalancerClass
  ) {
    const present = actual.spec.loadBalancerClass;
    // A class that was defaulted is none that somebody asked for otherwise.
    if (loadBalancerClass !== undefined) {
      const message = `Service ${quote(name)} keeps ${present === undefined ? 'the default class' : `class ${quote(present)}`} until it is deleted`;
      report.add([], 'LoadBalancerClassFixed', message);
    }
  }
  const { port } = situation;
  if (port === undefined) {
    report.add([], 'PortsExhausted', 'no port of the nodes is free for this Ingress');
    return outcome([compareService(wanted, actual), status], report.diagnostics);
  }
  const wantedSlices = { namespace, service: name, nodes: objects.nodes(), ports: { http: port, https: port } };
  const owned = { ...wantedSlices, ownerReferences: [ownerReference(ingress)] };
  const slices = compareSlices(owned, presentSlices(ingress, objects), report);
  return outcome([compareService(wanted, actual), ...slices, status], report.diagnostics);
}

function wantedService(ingress: Ingress, name: string, { service }: Settings['ingress']): WantedService {
  const { namespace, labels, annotations } = ingress.metadata;
  return {
    namespace,
    name,
    options: ingestServiceOptions(annotations, service, new Report(refOf(ingress))),
    labels: copiedTexts(labels, service.copiedPrefixes),
    annotations: copiedTexts(annotations, service.copiedPrefixes),
    ownerReferences: [ownerReference(ingress)],
  };
}

function presentSlices(ingress: Ingress, objects: ClusterObjects): PresentSlices {
  const { namespace, name } = ingress.metadata;
  const all = objects.slicesOf({ namespace, name: dedicatedName(name) });
  return { named: objects.slice, all, ownership: (slice) => ownershipByIngress(slice, ingress) };
}

function ownerReference({ metadata: { name, uid } }: Ingress): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name, uid, controller: true, blockOwnerDeletion: false };
}

/** Deletes what we made for an Ingress that has no load balancer of its own any more. */
function withdraw(ingress: Ingress, objects: ClusterObjects): readonly Action[] {
  const { namespace } = ingress.metadata;
  const name = dedicatedName(ingress.metadata.name);
  const service = objects.service({ namespace, name });
  const isOurs = service && ownershipByIngress(service, ingress) === 'ours' && isMadeByUs(service);
  return [...(isOurs ? [deletion(service)] : []), ...withdrawSlices(presentSlices(ingress, objects))];
}

/**
 * Takes back what an Ingress has of us that is not ours any more. Its status is ours if it tells the addresses of a Service of ours, which
 * nobody else has a reason to tell; it is emptied before that Service goes, since afterwards nobody knows. What else stands there, such as
 * addresses of nodes, may be what its next controller says, and is left to that.
 */
function abandon(ingress: Ingress, { placement }: IngressSituation, objects: ClusterObjects): ClusterOutcome {
  const name = dedicatedName(ingress.metadata.name);
  const own = objects.service({ namespace: ingress.metadata.namespace, name });
  const isOurs = own !== undefined && ownershipByIngress(own, ingress) === 'ours' && isMadeByUs(own);
  if (isOurs && tellsAddressesOf(ingress, own)) return outcome([compareStatus(ingress, [])]);
  const shared = objects.service({ namespace: placement.namespace, name: SHARED_NAME });
  const isShared = shared !== undefined && ownershipByLabel(shared) === 'ours' && tellsAddressesOf(ingress, shared);
  return outcome([...withdraw(ingress, objects), isShared ? compareStatus(ingress, []) : undefined]);
}
