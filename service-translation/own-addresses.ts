import type { Service } from '../kube/index.ts';
import { canonicalAddress } from './usable-address.ts';

/** What makes an address a Service's: its clients' own, or a load balancer that hands packets on as they are; undefined for others. */
export function originOf(service: Service, address: string): 'cluster-ip' | 'load-balancer' | undefined {
  const isAmong = (texts: readonly (string | undefined)[]) =>
    texts.some((text) => text !== undefined && canonicalAddress(text) === address);
  if (isAmong([service.spec.clusterIP, ...service.spec.clusterIPs])) return 'cluster-ip';
  return isAmong(pointsOf(service)) ? 'load-balancer' : undefined;
}

/** Addresses of load balancers that hand packets on as they are. */
export function pointsOf({ status }: Service): readonly (string | undefined)[] {
  return (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode !== 'Proxy').map(({ ip }) => ip);
}
