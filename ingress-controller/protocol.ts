import type { Service, ServicePort } from '../kube/index.ts';
import type { Cluster } from '../model/index.ts';
import { findServicePort } from './service-port.ts';

/** What is spoken to the endpoints of a Service port. */
export interface Protocol {
  readonly protocol: Cluster['protocol'];
  readonly tls: boolean;
}

export const HTTP1: Protocol = { protocol: 'http1', tls: false };
const HTTP2: Protocol = { protocol: 'http2', tls: false };
const HTTPS: Protocol = { protocol: 'http1', tls: true };

const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['', HTTP1],
  ['http', HTTP1],
  ['ws', HTTP1],
  ['kubernetes.io/ws', HTTP1],
  ['h2c', HTTP2],
  ['kubernetes.io/h2c', HTTP2],
  ['http2', HTTP2],
  ['grpc', HTTP2],
  ['https', HTTPS],
  ['wss', HTTPS],
  ['kubernetes.io/wss', HTTPS],
]);

/** Undefined for an `appProtocol` that is not known; HTTP/1.1 is spoken then. */
export function protocolOf({ appProtocol = '' }: ServicePort): Protocol | undefined {
  return PROTOCOLS.get(appProtocol.toLowerCase());
}

/**
 * Names the endpoints of a Service port. Those that speak another protocol are another set: when a Service changes from one
 * protocol and its endpoints to another, the old cluster keeps the old endpoints until the new cluster takes its place.
 */
export function endpointSetName(service: Service, number: number): string {
  const port = findServicePort(service, { number, name: undefined });
  const { protocol, tls } = (typeof port === 'string' ? undefined : protocolOf(port)) ?? HTTP1;
  const { namespace, name } = service.metadata;
  return `${namespace}/${name}:${number}${protocol === 'http2' ? '/http2' : ''}${tls ? '/tls' : ''}`;
}
