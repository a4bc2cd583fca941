import type { Diagnostic, DiagnosticCodeEntry, FieldPath, ObjectRef } from '../model/index.ts';

/**
 * Every diagnostic that this layer can give, with what it means for traffic. docs/diagnostics.md repeats this table for users, and a
 * test holds the two together.
 */
export const DIAGNOSTIC_CODES = {
  ServiceAddressConflict: {
    severity: 'warning',
    meaning:
      'Another Service has the same address, port and protocol. A ClusterIP counts before an address of a load balancer, that before an external IP; then the older Service.',
  },
  InvalidServiceAddress: {
    severity: 'warning',
    meaning: 'An address of a Service is no IP address that clients can connect to. It is left out.',
  },
  InvalidServiceEndpoint: {
    severity: 'warning',
    meaning: 'An address of an EndpointSlice cannot be connected to. That endpoint is left out.',
  },
  InvalidSourceRange: {
    severity: 'warning',
    meaning: 'An entry of loadBalancerSourceRanges is no CIDR. It allows nobody.',
  },
  SourceRangesNotDecided: {
    severity: 'info',
    meaning:
      "Some of a node's clients are within loadBalancerSourceRanges and some are not, and at the socket their addresses are not known yet. The load balancer's addresses are left to kube-proxy; pods that policies select cannot use them.",
  },
  ProtocolNotTranslated: {
    severity: 'info',
    meaning: 'Ports of SCTP are not translated at the socket. They are left to kube-proxy; pods that policies select cannot use them.',
  },
} as const satisfies Record<string, DiagnosticCodeEntry>;

export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;

export function diagnose(object: ObjectRef, path: FieldPath, code: DiagnosticCode, message: string): Diagnostic {
  return { severity: DIAGNOSTIC_CODES[code].severity, code, message, object, path };
}
