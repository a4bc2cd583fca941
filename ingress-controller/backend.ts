import { type IngressBackend, quote, type Service } from '../kube/index.ts';
import type { FieldPath, RouteAction, SessionAffinity } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import { type ClusterKey, clusterName } from './claims.ts';
import type { DiagnosticCode } from './codes.ts';
import type { Report } from './report.ts';
import { externalNameProblem, findServicePort } from './service-port.ts';

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
}

export interface BackendContext {
  readonly namespace: string;
  readonly service: (ref: ServiceRef) => Service | undefined;
  readonly requestTimeoutMs: number;
  readonly settings: Settings['upstream'];
  readonly report: Report;
}

export interface ResolvedBackend {
  readonly service: Service;
  readonly cluster: ClusterKey;
}

/** What a client sees where the backend cannot be used; the reason is for the owner of the Ingress only. */
export const UNAVAILABLE: RouteAction = { kind: 'respond', status: 500, body: 'No backend can answer this request\n' };

/** Finds the Service port that a backend names; undefined, with a diagnostic, if there is none that can be used. */
export function resolveBackend(backend: IngressBackend, field: FieldPath, context: BackendContext): ResolvedBackend | undefined {
  const { namespace } = context;
  if (backend.resource !== undefined) {
    const { kind, name } = backend.resource;
    if (backend.service !== undefined) return refuse([], 'InvalidBackend', 'has both a Service and a resource');
    return refuse(['resource'], 'ResourceBackend', `resource backends are not supported: ${quote(`${kind} ${name}`)}`);
  }
  if (backend.service === undefined) return refuse([], 'InvalidBackend', 'has no Service');
  const { name, port: ref } = backend.service;
  if ((ref.name !== undefined && ref.name !== '') === (ref.number !== undefined)) {
    return refuse(['service', 'port'], 'InvalidBackend', 'must have either the name or the number of a port');
  }
  const service = context.service({ namespace, name });
  if (service === undefined) return refuse(['service', 'name'], 'ServiceNotFound', `there is no Service ${quote(`${namespace}/${name}`)}`);
  const problem = service.spec.type === 'ExternalName' ? externalNameProblem(service) : undefined;
  if (problem !== undefined) return refuse(['service', 'name'], 'InvalidExternalName', `Service ${quote(name)} ${problem}`);
  const port = findServicePort(service, ref);
  const label = ref.number === undefined ? quote(ref.name ?? '') : String(ref.number);
  if (port === 'not-found') return refuse(['service', 'port'], 'ServicePortNotFound', `Service ${quote(name)} has no port ${label}`);
  if (port === 'not-tcp') return refuse(['service', 'port'], 'UnsupportedProtocol', `port ${label} of Service ${quote(name)} is not TCP`);
  return { service, cluster: { namespace, service: name, port: port.port } };

  function refuse(path: FieldPath, code: DiagnosticCode, message: string): undefined {
    context.report.add([...field, ...path], code, message);
    return undefined;
  }
}

/** What a route does with a request for this backend. */
export function backendAction(backend: ResolvedBackend | undefined, context: BackendContext): RouteAction {
  if (backend === undefined) return UNAVAILABLE;
  const { retry } = context.settings;
  const affinity = affinityOf(backend.service, context.settings);
  return {
    kind: 'forward',
    cluster: clusterName(backend.cluster),
    timeoutMs: context.requestTimeoutMs,
    ...(retry !== undefined && { retry: { on: retry.on, attempts: retry.attempts, perTryTimeoutMs: retry.perTryTimeout } }),
    ...(affinity !== undefined && { affinity }),
  };
}

/** How clients are kept on one endpoint of a Service: as it says itself, else as the settings do. */
export function affinityOf(service: Service, settings: Settings['upstream']): SessionAffinity | undefined {
  if (service.spec.sessionAffinity === 'ClientIP') return { kind: 'source-ip' };
  const { sessionAffinity } = settings;
  if (sessionAffinity.kind === 'none') return undefined;
  if (sessionAffinity.kind === 'source-ip') return { kind: 'source-ip' };
  return { kind: 'cookie', name: sessionAffinity.name, ttlMs: sessionAffinity.ttl };
}
