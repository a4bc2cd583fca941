import { fromBinary } from '@bufbuild/protobuf';
import { EndpointSliceSchema, type ServicePort as PortMessage, ServiceSchema } from '@sluice/envoy-protos/sluice/node/v1/services_pb.js';
import type { EndpointSlice, Service } from '../../kube/index.ts';
import { decoded } from './decode.ts';

const PROTOCOLS: ReadonlyMap<number, 'TCP' | 'UDP' | 'SCTP'> = new Map([
  [6, 'TCP'],
  [17, 'UDP'],
  [132, 'SCTP'],
]);
const MAX_PORT = 65_535;
/** The label that slices name their Service by. */
const SERVICE_NAME = 'kubernetes.io/service-name';

/** A Service with all of it that counts for translation. @param name `namespace/name` @throws EnforcementError `malformed` */
export function decodeService(name: string, body: Uint8Array): Service {
  return decoded(name, () => {
    const message = fromBinary(ServiceSchema, body);
    const { creationTimestamp, affinityTimeout: timeoutSeconds } = message;
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadataOf(name), ...(creationTimestamp !== '' && { creationTimestamp }) },
      spec: {
        type: message.onNodes ? 'NodePort' : 'ClusterIP',
        externalName: undefined,
        clusterIP: undefined,
        clusterIPs: message.clusterIps,
        externalIPs: message.externalIps,
        ports: message.ports.map(portOf),
        ipFamilies: [],
        sessionAffinity: message.clientAffinity ? 'ClientIP' : 'None',
        ...(timeoutSeconds !== undefined && { sessionAffinityConfig: { clientIP: { timeoutSeconds } } }),
        loadBalancerSourceRanges: message.loadBalancerSourceRanges,
        loadBalancerClass: undefined,
        externalTrafficPolicy: message.outsideToAllNodes ? 'Cluster' : 'Local',
        internalTrafficPolicy: message.localTrafficOnly ? 'Local' : 'Cluster',
      },
      status: {
        loadBalancer: {
          ingress: message.loadBalancer.map(({ ip, isProxy }) => ({
            ip: ip || undefined,
            hostname: undefined,
            ipMode: isProxy ? 'Proxy' : 'VIP',
          })),
        },
      },
    };
  });
}

/** The same for endpoints. @throws EnforcementError `malformed` */
export function decodeSlice(name: string, body: Uint8Array): EndpointSlice {
  return decoded(name, () => {
    const { service, isIpv6, ports, endpoints } = fromBinary(EndpointSliceSchema, body);
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadataOf(name), labels: { [SERVICE_NAME]: service } },
      addressType: isIpv6 ? 'IPv6' : 'IPv4',
      ports: ports.map((port) => ({
        name: port.name || undefined,
        appProtocol: undefined,
        protocol: protocolOf(port.protocol),
        ...(port.port > 0 && { port: portNumber(port.port) }),
      })),
      endpoints: endpoints.map(({ address, ready, serving, terminating, node, zoneHints, nodeHints }) => ({
        addresses: [address],
        conditions: { ready, serving, terminating },
        ...(node !== '' && { nodeName: node }),
        hints: { forZones: zoneHints, forNodes: nodeHints },
      })),
    };
  });
}

/** The slots that have ports of a Service, by the numbers of these. @param name `namespace/name` @throws EnforcementError `malformed` */
export function decodeTakers(name: string, body: Uint8Array): ReadonlyMap<number, string> {
  return decoded(name, () => {
    const { ports } = fromBinary(ServiceSchema, body);
    return new Map(ports.filter(({ listener }) => listener !== '').map(({ port, listener }) => [port, listener]));
  });
}

function portOf({ name, protocol, port, nodePort }: PortMessage): Service['spec']['ports'][number] {
  return {
    name: name || undefined,
    protocol: protocolOf(protocol),
    appProtocol: undefined,
    port: portNumber(port),
    targetPort: undefined,
    nodePort: nodePort > 0 ? portNumber(nodePort) : undefined,
  };
}

function metadataOf(text: string): Pick<Service['metadata'], 'namespace' | 'name' | 'labels' | 'annotations'> {
  const [namespace = '', name = '', ...rest] = text.split('/');
  if (namespace === '' || name === '' || rest.length > 0) throw new RangeError('the name is not namespace/name');
  return { namespace, name, labels: {}, annotations: {} };
}

/** To take one that is unknown for another would send its clients to a wrong port. */
function protocolOf(number: number): 'TCP' | 'UDP' | 'SCTP' {
  const protocol = PROTOCOLS.get(number);
  if (protocol === undefined) throw new RangeError(`${number} is no protocol of a Service`);
  return protocol;
}

function portNumber(port: number): number {
  if (port === 0 || port > MAX_PORT) throw new RangeError(`${port} is no port`);
  return port;
}
