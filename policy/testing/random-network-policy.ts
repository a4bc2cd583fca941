import fc from 'fast-check';
import type { PlainObject } from '../oracle/objects.ts';
import { block, NAMESPACES, namespaceSelector, PORTS, podSelector } from './vocabulary.ts';

const peer = fc.oneof(
  podSelector.map((selector) => ({ podSelector: selector })),
  namespaceSelector.map((selector) => ({ namespaceSelector: selector })),
  fc.record({ podSelector, namespaceSelector }),
  block.map((ipBlock) => ({ ipBlock })),
);

const protocol = fc.constantFrom('TCP', 'TCP', 'UDP', 'SCTP', undefined);

const port = fc.oneof(
  fc.record({ protocol, port: fc.constantFrom<number | string>(...PORTS, 'web', 'dns') }),
  fc.record({ protocol }),
  fc.tuple(protocol, fc.constantFrom(...PORTS), fc.constantFrom(...PORTS)).map(([name, a, b]) => ({
    protocol: name,
    port: Math.min(a, b),
    endPort: Math.max(a, b),
  })),
);

const peers = fc.option(fc.array(peer, { maxLength: 3 }), { nil: undefined });
const ports = fc.option(fc.array(port, { maxLength: 3 }), { nil: undefined });

/** A NetworkPolicy that is right; lists are absent, empty or full. */
export const networkPolicy: fc.Arbitrary<PlainObject> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    podSelector,
    policyTypes: fc.option(fc.subarray(['Ingress', 'Egress']), { nil: undefined }),
    ingress: fc.option(fc.array(fc.record({ from: peers, ports }), { maxLength: 2 }), { nil: undefined }),
    egress: fc.option(fc.array(fc.record({ to: peers, ports }), { maxLength: 2 }), { nil: undefined }),
  })
  .map(({ namespace, ...spec }) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'policy', namespace },
    spec,
  }));
