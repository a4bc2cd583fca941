import fc from 'fast-check';

export const NAMESPACES = ['red', 'blue', 'green'] as const;
export const TEAMS = ['one', 'two'] as const;
export const NODES = ['node-0', 'node-1'] as const;

/** The ports of the containers that there are; the same names for several numbers. */
export const IMAGES = [
  [],
  [{ name: 'web', containerPort: 80, protocol: 'TCP' }],
  [{ name: 'web', containerPort: 8080 }],
  [
    { name: 'web', containerPort: 8080 },
    { name: 'dns', containerPort: 53, protocol: 'UDP' },
  ],
  [{ name: 'dns', containerPort: 53, protocol: 'TCP' }],
  [
    { name: 'web', containerPort: 80, protocol: 'SCTP' },
    { name: 'web', containerPort: 81, protocol: 'TCP' },
  ],
] as const;

/** Left out of identities by the filter, and named by some rules all the same. */
const FILTERED_KEY = 'statefulset.kubernetes.io/pod-name';

export const podLabels: fc.Arbitrary<Record<string, string>> = fc.dictionary(
  fc.constantFrom('app', 'tier', FILTERED_KEY),
  fc.constantFrom('a', 'b', 'c'),
  { maxKeys: 3 },
);

/** Prefixes that rules name: of the world, of pods, of nodes, of all. */
export const BLOCKS = [
  { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '203.0.113.0/25', '10.244.1.4/32'] },
  { cidr: '10.244.0.0/16', except: ['10.244.1.0/24', '10.244.0.2/31', '10.244.1.250/32'] },
  { cidr: '10.244.1.3/32', except: [] },
  { cidr: '203.0.113.0/24', except: ['203.0.113.7/32', '203.0.113.128/25'] },
  { cidr: '192.168.56.0/24', except: ['192.168.56.11/32'] },
  { cidr: '::/0', except: ['fd00::/8', '2001:db8:ff::/64'] },
  { cidr: 'fd00:244::/32', except: ['fd00:244:1::/48'] },
  { cidr: '2001:db8:ff::/48', except: ['2001:db8:ff:1::/64'] },
] as const;

export const block = fc
  .constantFrom(...BLOCKS)
  .chain(({ cidr, except }) => fc.record({ cidr: fc.constant<string>(cidr), except: fc.subarray<string>([...except]) }));

/** Selectors over labels with these keys and values. */
export function selector(keys: readonly string[], values: readonly string[]): fc.Arbitrary<object> {
  const key = fc.constantFrom(...keys);
  const value = fc.constantFrom(...values);
  const requirement = fc.oneof(
    fc.record({ key, operator: fc.constantFrom('In', 'NotIn'), values: fc.uniqueArray(value, { minLength: 1, maxLength: 2 }) }),
    fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
  );
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    { weight: 4, arbitrary: fc.dictionary(key, value, { minKeys: 1, maxKeys: 2 }).map((matchLabels) => ({ matchLabels })) },
    { weight: 3, arbitrary: fc.array(requirement, { maxLength: 2 }).map((matchExpressions) => ({ matchExpressions })) },
  );
}

export const podSelector = selector(['app', 'tier', FILTERED_KEY], ['a', 'b', 'c']);
export const namespaceSelector = selector(['team', 'kubernetes.io/metadata.name'], ['one', 'two', 'red', 'blue']);

/** Ports that rules name and packets ask for. */
export const PORTS = [53, 80, 81, 443, 8080, 8081] as const;
