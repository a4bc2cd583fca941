import type { PlainObject } from './objects.ts';
import { namespaceLabels, namespaceOf, type Party } from './parties.ts';

const CLUSTER = 'default';

/** Reserved labels of whoever is no pod. */
function reservedLabels(party: Party): readonly string[] {
  switch (party.kind) {
    case 'pod':
      return [];
    case 'host':
    case 'ingress':
    case 'unmanaged':
      return [party.kind];
    case 'remote-node':
      return party.isApiServer ? ['remote-node', 'kube-apiserver'] : ['remote-node'];
    case 'world': {
      const family = party.address.includes(':') ? 'world-ipv6' : 'world-ipv4';
      return party.isApiServer ? ['world', family, 'kube-apiserver'] : ['world', family];
    }
  }
}

/** Whether somebody has a reserved label. */
export function hasLabel(party: Party, name: string): boolean {
  return reservedLabels(party).includes(name);
}

/** Reads labels by the keys that Cilium's selectors have: with a source before a colon, or of any source. */
export function labelReader(objects: readonly PlainObject[], party: Party): (key: string) => string | undefined {
  const kubernetes = new Map(party.kind === 'pod' ? podLabels(objects, party.pod) : []);
  return (text) => {
    const [, source = 'any', key = ''] = /^(?:(k8s|any|reserved):)?(.*)$/s.exec(text) ?? [];
    const reserved = hasLabel(party, key) ? '' : undefined;
    if (source === 'k8s') return kubernetes.get(key);
    if (source === 'reserved') return reserved;
    return kubernetes.get(key) ?? reserved;
  };
}

function podLabels(objects: readonly PlainObject[], pod: Extract<Party, { kind: 'pod' }>['pod']): [string, string][] {
  const namespace = namespaceOf(pod);
  return [
    ...Object.entries(pod.metadata.labels ?? {}),
    ...Object.entries(namespaceLabels(objects, namespace)).map(([key, value]): [string, string] => [
      `io.cilium.k8s.namespace.labels.${key}`,
      value,
    ]),
    ['io.kubernetes.pod.namespace', namespace],
    ['io.cilium.k8s.policy.cluster', CLUSTER],
    ['io.cilium.k8s.policy.serviceaccount', pod.spec.serviceAccountName ?? 'default'],
  ];
}
