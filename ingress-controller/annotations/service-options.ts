import type { Settings } from '../../settings/index.ts';
import type { Report } from '../report.ts';
import { readAnnotation } from './names.ts';
import { readValue } from './read-value.ts';
import { oneOf, parsePort } from './values.ts';

/** What the Service of an Ingress is to be. */
export interface ServiceOptions {
  readonly type: 'LoadBalancer' | 'NodePort' | 'ClusterIP';
  readonly loadBalancerClass: string | undefined;
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  /** Undefined for any. */
  readonly insecureNodePort: number | undefined;
  readonly secureNodePort: number | undefined;
}

const PORT_RANGE = 'a port from 1 to 65535';
/** What API servers give unless they are told otherwise. */
const NODE_PORTS = { first: 30_000, last: 32_767 };

/**
 * Reads what the annotations of an Ingress in mode `dedicated` say of its Service, and takes the settings where they say nothing. The
 * node ports of the settings are those of the shared Service: only one Service can have them.
 */
export function ingestServiceOptions(
  annotations: Readonly<Record<string, string>>,
  settings: Settings['ingress']['service'],
  report: Report,
): ServiceOptions {
  const types = oneOf('LoadBalancer', 'NodePort', 'ClusterIP');
  const type = readValue(annotations, 'service-type', types, 'LoadBalancer, NodePort or ClusterIP', report);
  const policies = oneOf('Cluster', 'Local');
  const policy = readValue(annotations, 'service-external-traffic-policy', policies, 'Cluster or Local', report);
  const loadBalancerClass = readValue(annotations, 'loadbalancer-class', (text) => text || undefined, 'the name of a class', report);
  return {
    type: type ?? settings.type,
    loadBalancerClass: loadBalancerClass ?? settings.loadBalancerClass,
    externalTrafficPolicy: policy ?? settings.externalTrafficPolicy,
    insecureNodePort: readNodePort('insecure-node-port'),
    secureNodePort: readNodePort('secure-node-port'),
  };

  function readNodePort(name: 'insecure-node-port' | 'secure-node-port'): number | undefined {
    const port = readValue(annotations, name, parsePort, PORT_RANGE, report);
    const key = readAnnotation(annotations, name)?.key;
    if (port !== undefined && key !== undefined && (port < NODE_PORTS.first || port > NODE_PORTS.last)) {
      const message = `${port} is not from ${NODE_PORTS.first} to ${NODE_PORTS.last}, so most API servers refuse it`;
      report.add(['metadata', 'annotations', key], 'NodePortOutOfRange', message);
    }
    return port;
  }
}
