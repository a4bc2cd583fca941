import type { Diagnostic, DiagnosticCodeEntry, FieldPath, ObjectRef } from '../../model/index.ts';

/** Every diagnostic of Services whose requests are to be balanced. docs/diagnostics.md repeats this table, and a test holds the two together. */
export const BALANCING_CODES = {
  InvalidBalancing: {
    severity: 'warning',
    meaning: 'An annotation service.cilium.io/lb-l7… has a value that it cannot have. It counts as absent.',
  },
  NotBalanced: {
    severity: 'warning',
    meaning:
      'The requests of the Service are to be balanced, and cannot be: it has no address of its own, keeps clients of its cluster IPs alone with their node’s endpoints, or is another proxy’s; or policies are not enforced, or Services not translated, or the setting envoyConfig.balancing is off. It is as without the annotation.',
  },
  AffinityNotTimed: {
    severity: 'info',
    meaning:
      'A Service whose requests are balanced keeps each client with one endpoint, by its address. That does not end after timeoutSeconds, but where endpoints come and go some clients get another.',
  },
  PortNotBalanced: {
    severity: 'info',
    meaning:
      'A port of a Service whose requests are balanced speaks no HTTP that Envoy could read, as its appProtocol says. The port is as without the annotation.',
  },
} as const satisfies Record<string, DiagnosticCodeEntry>;

export type BalancingCode = keyof typeof BALANCING_CODES;

export function diagnoseBalancing(object: ObjectRef, path: FieldPath, code: BalancingCode, message: string): Diagnostic {
  return { severity: BALANCING_CODES[code].severity, code, message, object, path };
}
