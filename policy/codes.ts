import type { DiagnosticCodeEntry } from '../model/index.ts';

/**
 * Every diagnostic that comes from policies, with what it means for traffic. docs/diagnostics.md repeats this table for users, and a
 * test holds the two together.
 */
export const DIAGNOSTIC_CODES = {
  InvalidPolicy: {
    severity: 'error',
    meaning: 'A field of a policy is wrong. None of it allows anything; what it selects is isolated in the directions that it has.',
  },
  NeedsLayer7: {
    severity: 'error',
    meaning: 'A rule needs what is not enforced yet: TLS interception, a listener, or rules for Kafka, DNS or others. It allows nothing.',
  },
  InvalidLayer7Rule: {
    severity: 'error',
    meaning: 'An HTTP rule or server name is wrong. It allows nothing; those beside it are in force.',
  },
  ConflictingLayer7: {
    severity: 'error',
    meaning: 'Rules for HTTP and for server names meet at a port of the same peers. What needs them is denied there.',
  },
  PeerNotEnforced: {
    severity: 'error',
    meaning: 'A rule names peers that cannot be told yet (toFQDNs, groups, nodes). It allows nothing; one that denies, denies all such.',
  },
  AuthenticationNotEnforced: {
    severity: 'error',
    meaning: 'A rule asks for mutual authentication, which is not enforced yet. It allows nothing.',
  },
  HostPolicyNotEnforced: {
    severity: 'error',
    meaning: 'A policy selects nodes. Nodes have no endpoint here, so nothing of it is enforced.',
  },
  NamespaceIgnored: {
    severity: 'warning',
    meaning: 'The endpointSelector of a CiliumNetworkPolicy names a namespace. It selects in its own namespace all the same.',
  },
  HostNetworkNotEnforced: {
    severity: 'warning',
    meaning: 'A policy selects a pod of the host network. It has no endpoint of its own, so the policy does nothing for it.',
  },
  InvalidAnnotation: {
    severity: 'warning',
    meaning: 'An annotation for audit mode or visibility of a pod or namespace is not understood. That part of it does nothing.',
  },
  IdentityMissing: {
    severity: 'warning',
    meaning: 'The labels of a pod have no number yet, or none is left. It counts as `init`: rules that name its labels do nothing for it.',
  },
} as const satisfies Record<string, DiagnosticCodeEntry>;

export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;
