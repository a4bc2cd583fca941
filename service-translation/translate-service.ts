import { type EndpointSlice, refOf, type Service, type ServicePort } from '../kube/index.ts';
import {
  type ClientNode,
  compareText,
  type Diagnostic,
  type ServiceBackend,
  type ServiceFrontend,
  type ServicePortTranslation,
  type UntranslatedReason,
} from '../model/index.ts';
import { chooseInCluster, chooseOnNode, isDraining } from './choose-endpoints.ts';
import { diagnose } from './codes.ts';
import { type Candidate, readEndpoints } from './endpoints.ts';
import { familiesOf, readFrontends } from './frontends.ts';
import { judgeSourceRanges } from './source-ranges.ts';
import type { Family } from './usable-address.ts';

/** A node as its clients of Services see it. */
export interface TranslationNode extends ClientNode {
  /** Prefixes that its processes and pods have their addresses of; only `loadBalancerSourceRanges` need them. Default: not known. */
  readonly clients?: readonly string[];
}

export interface ServiceTranslation {
  readonly translations: readonly ServicePortTranslation[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Of Services that another proxy than kube-proxy serves; they are none of our business either. */
const OTHER_PROXY = 'service.kubernetes.io/service-proxy-name';
/** As the API server sets it: 3 hours. */
const DEFAULT_AFFINITY_SECONDS = 10_800;

/**
 * What clients on a node are to be translated to, for every port and family of a Service. To them, addresses for the outside lead to
 * the endpoints of the whole cluster, whatever `externalTrafficPolicy` says, which is for traffic that comes from outside.
 * @param slices of this Service: those of its namespace with its name as their label `kubernetes.io/service-name`
 * @see https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
export function translateService(service: Service, slices: readonly EndpointSlice[], node: TranslationNode): ServiceTranslation {
  if (Object.hasOwn(service.metadata.labels, OTHER_PROXY)) return { translations: [], diagnostics: [] };
  const diagnostics: Diagnostic[] = [];
  const translations = familiesOf(service).flatMap((family) =>
    service.spec.ports.flatMap((port) => {
      const groups = groupFrontends({ service, slices, node, port, family }, diagnostics);
      return nameGroups(service, port, family, groups);
    }),
  );
  return { translations, diagnostics };
}

interface PortOfFamily {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  readonly node: TranslationNode;
  readonly port: ServicePort;
  readonly family: Family;
}

/** Frontends that are served alike. */
interface Group {
  readonly suffix: '' | 'external' | 'refused' | 'untranslated';
  readonly frontends: readonly ServiceFrontend[];
  readonly backends: readonly ServiceBackend[];
  readonly draining: readonly ServiceBackend[];
  readonly untranslated?: UntranslatedReason;
}

const NOWHERE = { backends: [], draining: [] } as const;

function groupFrontends(of: PortOfFamily, diagnostics: Diagnostic[]): readonly Group[] {
  const { service, slices, node, port, family } = of;
  const { cluster, external, loadBalancer, node: nodes } = readFrontends(service, port, family, diagnostics);
  const all = [...cluster, ...external, ...loadBalancer, ...nodes];
  if (port.protocol === 'SCTP') {
    const message = `port ${port.port} of SCTP is not translated at the socket`;
    diagnostics.push(diagnose(refOf(service), ['spec', 'ports', service.spec.ports.indexOf(port)], 'ProtocolNotTranslated', message));
    return [{ suffix: '', frontends: all, ...NOWHERE, untranslated: 'protocol' }];
  }
  const candidates = readEndpoints(slices, port, family, diagnostics);
  const inCluster = splitServing(candidates, chooseInCluster(candidates, node));
  const isLocal = service.spec.internalTrafficPolicy === 'Local';
  const allowed = loadBalancer.length === 0 ? 'all' : judgeSourceRanges(service, family, node.clients ?? [], diagnostics);
  const outside = [...external, ...(allowed === 'all' ? loadBalancer : []), ...nodes];
  const groups: Group[] = isLocal
    ? [
        { suffix: '', frontends: cluster, ...splitServing(candidates, chooseOnNode(candidates, node)) },
        { suffix: 'external', frontends: outside, ...inCluster },
      ]
    : [{ suffix: '', frontends: [...cluster, ...outside], ...inCluster }];
  if (allowed === 'none') groups.push({ suffix: 'refused', frontends: loadBalancer, ...NOWHERE });
  if (allowed === 'some') {
    groups.push({ suffix: 'untranslated', frontends: loadBalancer, ...NOWHERE, untranslated: 'source-ranges' });
    const message = `some clients on node ${node.name} may be within them and some not`;
    diagnostics.push(diagnose(refOf(service), ['spec', 'loadBalancerSourceRanges'], 'SourceRangesNotDecided', message));
  }
  return groups;
}

function splitServing(candidates: readonly Candidate[], chosen: readonly Candidate[]): Pick<Group, 'backends' | 'draining'> {
  const place = ({ address, port }: Candidate) => ({ address, port });
  const isChosen = new Set(chosen);
  return {
    backends: chosen.map(place),
    draining: candidates.filter((candidate) => isDraining(candidate) && !isChosen.has(candidate)).map(place),
  };
}

function nameGroups(service: Service, port: ServicePort, family: Family, groups: readonly Group[]): readonly ServicePortTranslation[] {
  const { sessionAffinity, sessionAffinityConfig } = service.spec;
  const timeout = sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
  const { namespace, name: own } = service.metadata;
  const name = `${namespace}/${own}:${port.port}/${port.protocol}/${family}`;
  return groups
    .filter(({ frontends }) => frontends.length > 0)
    .map(({ suffix, frontends, ...rest }) => ({
      name: suffix === '' ? name : `${name}/${suffix}`,
      service: refOf(service),
      frontends: frontends.toSorted((a, b) => compareText(a.address, b.address) || a.port - b.port),
      affinitySeconds: sessionAffinity === 'ClientIP' ? timeout : 0,
      ...rest,
    }));
}
