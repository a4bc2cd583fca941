import { isIP } from 'node:net';
import type { IngressBackend, Service, ServicePort } from '../kube/index.ts';

type PortRef = NonNullable<IngressBackend['service']>['port'];

/**
 * Finds the port of a Service that a backend names. A Service of type ExternalName may leave its ports out, and is then
 * reached at any number.
 */
export function findServicePort(service: Service, ref: PortRef): ServicePort | 'not-found' | 'not-tcp' {
  const { ports, type } = service.spec;
  if (type === 'ExternalName' && ports.length === 0 && ref.number !== undefined) return implicitPort(ref.number);
  const candidates = ports.filter((port) => (ref.number === undefined ? (port.name ?? '') === ref.name : port.port === ref.number));
  if (candidates.length === 0) return 'not-found';
  return candidates.find((port) => port.protocol === 'TCP') ?? 'not-tcp';
}

function implicitPort(port: number): ServicePort {
  return { name: undefined, protocol: 'TCP', appProtocol: undefined, port, targetPort: undefined, nodePort: undefined };
}

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/i;
/** Resolvers read names that end in a number as IPv4 addresses in one of many spellings: `127.1`, `2130706433`, `0x7f.1`. */
const NUMERIC_END = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/i;
/** Names of this machine itself, also as the files of common distributions have them. */
const OWN_NAMES = new Set(['localhost', 'ip6-localhost', 'ip6-loopback', 'localhost.localdomain', 'localhost6', 'localhost4']);

/**
 * Says why the name of a Service of type ExternalName is not looked up; undefined if it is. Addresses and names of this
 * machine are refused, since they would open what listens on the proxy's own loopback to whoever may write a Service.
 */
export function externalNameProblem(service: Service): string | undefined {
  const name = hostnameOf(service);
  if (name === '') return 'names nothing';
  if (isIP(name) !== 0 || NUMERIC_END.test(name)) return 'names an address, not a DNS name';
  if (name.length > 253 || !SUBDOMAIN.test(name)) return 'names no valid DNS name';
  if (OWN_NAMES.has(name) || name.endsWith('.localhost')) return 'names this machine itself';
  return undefined;
}

/** The external name in lower case and without the dot that marks it as complete. */
export function hostnameOf(service: Service): string {
  return (service.spec.externalName ?? '').toLowerCase().replace(/\.$/, '');
}
