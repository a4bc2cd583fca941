import { isDeepStrictEqual } from 'node:util';
import { type Action, type Ingress, type IngressPoint, refOf, type Service } from '../../kube/index.ts';

/** An address as the status of an Ingress has it. */
interface Address {
  readonly ip?: string;
  readonly hostname?: string;
  readonly ports?: readonly object[];
}

/**
 * The addresses of a Service, for its Ingresses. As with Cilium they are those of a load balancer, so that a Service of type NodePort or
 * ClusterIP has none: an address inside of the cluster would be told to the world, as DNS records.
 */
export function addressesOf(service: Service | undefined): readonly Address[] {
  return (service?.status?.loadBalancer?.ingress ?? []).map(readAddress);
}

/** Sets the addresses of an Ingress, unless it has them. */
export function compareStatus(ingress: Ingress, wanted: readonly Address[]): Action | undefined {
  const { uid, name, namespace } = ingress.metadata;
  if (uid === undefined || isDeepStrictEqual(presentAddresses(ingress), wanted)) return undefined;
  const manifest = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace },
    status: { loadBalancer: { ingress: wanted } },
  };
  return { kind: 'status', ref: refOf(ingress), manifest, uid };
}

/** Whether an Ingress tells exactly the addresses of a Service that has some. */
export function tellsAddressesOf(ingress: Ingress, service: Service): boolean {
  const addresses = addressesOf(service);
  return addresses.length > 0 && isDeepStrictEqual(presentAddresses(ingress), addresses);
}

function presentAddresses({ status }: Ingress): readonly Address[] {
  return (status?.loadBalancer?.ingress ?? []).map(readAddress);
}

/** `ipMode` is of Services only. */
function readAddress({ ip, hostname, ports = [] }: IngressPoint): Address {
  const told = ports.map(({ port, protocol, error }) => ({ port, protocol, ...(error !== undefined && { error }) }));
  return { ...(ip !== undefined && { ip }), ...(hostname !== undefined && { hostname }), ...(told.length > 0 && { ports: told }) };
}
