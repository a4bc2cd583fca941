import type { Service } from '../kube/index.ts';
import type { ServiceFrontend } from '../model/index.ts';
import { originOf, pointsOf } from './own-addresses.ts';
import { allowsEverybody } from './source-ranges.ts';
import { canonicalAddress, familyOf } from './usable-address.ts';

const ANY_NODE = '0.0.0.0';

/** The field of a Service that says what kube-proxy does and a listener on whatever node does not. */
export type LeavingField = 'externalTrafficPolicy' | 'loadBalancerSourceRanges';

/**
 * Why what is asked of a Service's address from outside of the nodes is left to kube-proxy, also where a listener takes the Service: a listener on any node
 * leads to endpoints of all, and asks nobody which clients a load balancer is for. Undefined where it is not.
 * @param frontend of the Service
 */
export function whyLeftOutside(service: Service, { address }: Pick<ServiceFrontend, 'address'>): LeavingField | undefined {
  const origin = originOf(service, address);
  if (origin === 'cluster-ip') return undefined;
  if (service.spec.externalTrafficPolicy === 'Local') return 'externalTrafficPolicy';
  const family = familyOf(address);
  if (family === undefined || allowsEverybody(service, family)) return undefined;
  return origin === 'load-balancer' ? 'loadBalancerSourceRanges' : undefined;
}

/** The same of all that it may be asked by from outside. */
export function fieldsThatLeave(service: Service): readonly LeavingField[] {
  const { spec } = service;
  const isOnNodes = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  const asked = [...spec.externalIPs, ...pointsOf(service)].flatMap((text) => canonicalAddress(text ?? '') ?? []);
  const reasons = [...asked, ...(isOnNodes ? [ANY_NODE] : [])].map((address) => whyLeftOutside(service, { address }));
  return (['externalTrafficPolicy', 'loadBalancerSourceRanges'] as const).filter((field) => reasons.includes(field));
}
