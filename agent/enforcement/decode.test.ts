import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Decision,
  type DirectionPolicy,
  type PodEndpoint,
  RESERVED_IDENTITIES,
  type SubjectPolicy,
  type Verdict,
} from '../../model/index.ts';
import { translateAddress, translateIdentity, translateNodeEndpoints } from '../../xds-server/translate/node/identities.ts';
import { translateSubjectPolicy } from '../../xds-server/translate/node/policy.ts';
import { decodeAddress, decodeIdentity, decodeNodeEndpoints, decodeSubjectPolicy } from './decode.ts';
import { EnforcementError } from './enforcement-error.ts';

/** Compared with what is read, records are to have the same prototype. */
function record<T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const identity = fc.integer({ min: 0, max: 2 ** 25 - 1 });
const address = fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', 'fd00::7'));
const source = record({
  object: record({ kind: fc.constantFrom('NetworkPolicy', 'CiliumNetworkPolicy'), namespace: fc.string(), name: fc.string() }),
  path: fc.array(fc.oneof(fc.string(), fc.nat())),
});
const decision: fc.Arbitrary<Decision> = fc.oneof(
  fc.constant({ kind: 'allow' } as const),
  fc.constant({ kind: 'deny' } as const),
  record({ kind: fc.constant('slot' as const), slot: fc.string() }),
);
const verdict: fc.Arbitrary<Verdict> = record({
  peer: identity,
  protocol: fc.nat(255),
  port: fc.nat(65_535),
  portPrefixLength: fc.nat(16),
  decision,
  sources: fc.array(source, { maxLength: 3 }),
});
const direction: fc.Arbitrary<DirectionPolicy> = record({ defaultDeny: fc.boolean(), verdicts: fc.array(verdict, { maxLength: 8 }) });
const policy: fc.Arbitrary<SubjectPolicy> = record({ subject: identity, ingress: direction, egress: direction });
const endpoint: fc.Arbitrary<PodEndpoint> = record({
  pod: record({ kind: fc.constant('Pod'), namespace: fc.string(), name: fc.string() }),
  uid: fc.uuid(),
  node: fc.constant('n1'),
  addresses: fc.array(address, { maxLength: 2 }),
  identity,
});

const clients = fc.record(
  {
    zone: fc.string({ minLength: 1 }),
    podNetworks: fc.array(fc.constantFrom('10.244.0.0/24', 'fd00:244::/64')),
    slotsElsewhere: fc.array(fc.string()),
  },
  { requiredKeys: ['podNetworks', 'slotsElsewhere'], noNullPrototype: true },
);

describe('what a node is told', () => {
  test('policies are read as they were written', () => {
    fc.assert(
      fc.property(policy, (written) => {
        const { name, body } = translateSubjectPolicy(written);
        assert.deepEqual(decodeSubjectPolicy(name, body), written);
      }),
    );
  });

  test('so are endpoints, and they require the policies of their identities', () => {
    fc.assert(
      fc.property(
        fc.array(endpoint),
        fc.array(address),
        fc.option(clients, { nil: undefined }),
        fc.subarray(['10.0.0.0/8', 'fd00:244::/64']),
        fc.boolean(),
        (endpoints, nodeAddresses, serviceClients, guardedNetworks, needsIngressAddress) => {
          const own = { endpoints, nodeAddresses, guardedNetworks, needsIngressAddress };
          const written = { node: 'n1', ...own, ...(serviceClients && { serviceClients }) };
          const { name, body, requires } = translateNodeEndpoints(written);
          assert.deepEqual(decodeNodeEndpoints(name, body), written);
          const identities = [...endpoints.map((each) => each.identity), ...(guardedNetworks.length > 0 ? [RESERVED_IDENTITIES.init] : [])];
          assert.deepEqual(new Set(requires.map((required) => required.name)), new Set(identities.map(String)));
        },
      ),
    );
  });

  test('so are addresses and identities', () => {
    const prefix = { prefix: '10.0.0.0/8', identity: 2 ** 24 + 1 };
    assert.deepEqual(decodeAddress('10.0.0.0/8', translateAddress(prefix).body), prefix);
    const entry = { identity: 300, labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=default'] };
    assert.deepEqual(decodeIdentity('300', translateIdentity(entry).body), entry);
  });

  test('a direction or a decision that is missing or unknown denies', () => {
    assert.deepEqual(decodeSubjectPolicy('300', new Uint8Array()).egress, { defaultDeny: true, verdicts: [] });
    // ingress { verdicts { decision: 77 } }
    const unknown = Uint8Array.of(0x0a, 0x04, 0x12, 0x02, 0x28, 77);
    assert.deepEqual(
      decodeSubjectPolicy('300', unknown).ingress.verdicts.map((each) => each.decision),
      [{ kind: 'deny' }],
    );
  });

  test('what is out of range is refused with its name', () => {
    const good = { peer: 0, protocol: 6, port: 80, portPrefixLength: 16, decision: { kind: 'allow' }, sources: [] } as const;
    for (const bad of [{ protocol: 256 }, { port: 65_536 }, { portPrefixLength: 17 }]) {
      const { body } = translateSubjectPolicy({
        subject: 300,
        ingress: { defaultDeny: true, verdicts: [{ ...good, ...bad }] },
        egress: { defaultDeny: false, verdicts: [] },
      });
      assert.throws(() => decodeSubjectPolicy('300', body), { code: 'malformed', message: '300: a verdict is out of range' });
    }
    for (const name of ['web', '', '-1', '1.5', '4294967296', '99999999999']) {
      assert.throws(() => decodeSubjectPolicy(name, new Uint8Array()), { code: 'malformed' }, name);
      assert.throws(() => decodeIdentity(name, new Uint8Array()), { code: 'malformed' }, name);
    }
    assert.equal(decodeIdentity('4294967295', new Uint8Array()).identity, 0xffff_ffff);
    for (const name of [
      '10.0.0.1',
      '10.0.0.0/33',
      '10.0.0/24',
      'fd00::/129',
      '/8',
      'x/8',
      '10.0.0.0/',
      '10.0.0.1/8',
      'fe80::1%lo/128',
      '300',
    ])
      assert.throws(() => decodeAddress(name, new Uint8Array()), { code: 'malformed' }, name);
    const { body } = translateNodeEndpoints({ node: 'n1', endpoints: [], nodeAddresses: ['10.0.0'] });
    assert.throws(() => decodeNodeEndpoints('n1', body), { message: 'n1: "10.0.0" is no address' });
    const zoned = translateNodeEndpoints({ node: 'n1', endpoints: [], nodeAddresses: ['fe80::1%lo'] });
    assert.throws(() => decodeNodeEndpoints('n1', zoned.body), { message: 'n1: "fe80::1%lo" is no address' });
  });

  test('other bytes are read or refused, and nothing else happens', () => {
    const { body } = translateSubjectPolicy({
      subject: 300,
      ingress: { defaultDeny: true, verdicts: [] },
      egress: { defaultDeny: true, verdicts: [] },
    });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(body.length).map((length) => body.slice(0, length)),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom(decodeSubjectPolicy, decodeNodeEndpoints, decodeAddress, decodeIdentity), (any, decode) => {
        try {
          decode(decode === decodeAddress ? '10.0.0.0/8' : '300', any);
        } catch (error) {
          assert.ok(error instanceof EnforcementError, String(error));
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
