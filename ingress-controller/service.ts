import { quote, refOf, type Service, type ServicePort } from '../kube/index.ts';
import type { Cluster, Diagnostic, EndpointDiscovery, UpstreamOptions, UpstreamTls } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import { affinityOf } from './backend.ts';
import { clusterName } from './claims.ts';
import { endpointSetName, HTTP1, type Protocol, protocolOf } from './protocol.ts';
import { Report } from './report.ts';
import { externalNameProblem, findServicePort, hostnameOf } from './service-port.ts';

export interface ClusterResult {
  /** Undefined where the Service has no such TCP port, or names something that is not looked up. */
  readonly cluster: Cluster | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads one port of a Service.
 * @param number the number of the port, not its target
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol
 */
export function ingestService(service: Service, number: number, settings: Settings['upstream']): ClusterResult {
  const report = new Report(refOf(service));
  const port = findServicePort(service, { number, name: undefined });
  if (port === 'not-found' || port === 'not-tcp') return { cluster: undefined, diagnostics: [] };
  const index = service.spec.ports.indexOf(port);
  const path = index < 0 ? ['spec'] : ['spec', 'ports', index];
  const { protocol, tls } = readProtocol(port, report, [...path, 'appProtocol']);
  const discovery = findEndpoints(service, number, report);
  if (discovery === undefined) return { cluster: undefined, diagnostics: report.diagnostics };
  const { namespace, name } = service.metadata;
  const cluster: Cluster = {
    name: clusterName({ namespace, service: name, port: number }),
    discovery,
    protocol,
    ...(tls && { tls: upstreamTls(discovery, settings) }),
    balancing: affinityOf(service, settings) === undefined ? 'round-robin' : 'hash',
    options: upstreamOptions(settings),
    sources: [{ object: report.object, path }],
  };
  return { cluster, diagnostics: report.diagnostics };
}

function findEndpoints(service: Service, port: number, report: Report): EndpointDiscovery | undefined {
  if (service.spec.type !== 'ExternalName') return { kind: 'eds', serviceName: endpointSetName(service, port) };
  const problem = externalNameProblem(service);
  if (problem === undefined) return { kind: 'dns', hostname: hostnameOf(service), port };
  report.add(['spec', 'externalName'], 'InvalidExternalName', `${quote(service.spec.externalName ?? '')} ${problem}`);
  return undefined;
}

function readProtocol(port: ServicePort, report: Report, path: readonly (string | number)[]): Protocol {
  const known = protocolOf(port);
  if (known === undefined) report.add(path, 'UnknownAppProtocol', `${quote(port.appProtocol ?? '')} is not known; HTTP/1.1 is spoken`);
  return known ?? HTTP1;
}

function upstreamTls(discovery: EndpointDiscovery, settings: Settings['upstream']): UpstreamTls {
  const { tlsVerification: verification, certificateAuthorities } = settings;
  return {
    verification,
    ...(verification === 'system' && { certificateAuthorities }),
    ...(discovery.kind === 'dns' && { serverName: discovery.hostname }),
  };
}

function upstreamOptions(settings: Settings['upstream']): UpstreamOptions {
  const { connectTimeout, idleTimeout, outlierDetection } = settings;
  const options = { connectTimeoutMs: connectTimeout, idleTimeoutMs: idleTimeout };
  if (outlierDetection === false) return options;
  return {
    ...options,
    outlierDetection: {
      consecutiveErrors: outlierDetection.consecutiveErrors,
      intervalMs: outlierDetection.interval,
      baseEjectionMs: outlierDetection.baseEjectionTime,
      maxEjectionPercent: outlierDetection.maxEjectionPercent,
    },
  };
}
