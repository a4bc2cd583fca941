import type { CiliumEnvoyConfig } from '../kube/index.ts';
import type { Report } from './report.ts';

/** How listeners that Services are led to treat clients. */
export interface ClientHandling {
  /** Whether what is opened for a client has his address. */
  readonly keepsSource: boolean;
  /** Whether his requests are asked the rules of his policies before they are routed. */
  readonly asksClients: boolean;
  /** The annotation for which they are not, though there would be somebody to ask. */
  readonly unaskedBy?: string;
}

const ORIGINAL_SOURCE = 'cec.cilium.io/use-original-source-address';
const INJECT = 'cec.cilium.io/inject-cilium-filters';
const IS_L7LB = 'cec.cilium.io/is-l7lb';

/**
 * What annotations of a config say of its clients; what they leave open is so of listeners that Services are led to. Where Envoy opens connections with the
 * node's ingress address, policies judge that one, and there is nothing of the client's to ask.
 */
export function readClientHandling({ metadata: { annotations } }: CiliumEnvoyConfig, report: Report): ClientHandling {
  const isOn = (name: string): boolean => {
    const value = annotations[name];
    if (value !== undefined && value !== 'true' && value !== 'false')
      report.add(['metadata', 'annotations', name], 'AnnotationIgnored', 'is neither "true" nor "false"; it counts as "true"');
    return value !== 'false';
  };
  const [keepsSource, injects, isLoadBalancer] = [isOn(ORIGINAL_SOURCE), isOn(INJECT), isOn(IS_L7LB)];
  const unaskedBy = injects ? (isLoadBalancer ? undefined : IS_L7LB) : INJECT;
  return { keepsSource, asksClients: keepsSource && unaskedBy === undefined, ...(keepsSource && unaskedBy && { unaskedBy }) };
}
