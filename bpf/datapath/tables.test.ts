import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { openMap, u32 } from 'libbpf-ts';
import type { SubjectPolicy, Verdict } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps, verdict as VERDICT, verdict_key } from './gen/policy.ts';
import { Datapath, DatapathError } from './index.ts';
import { encodePrefix } from './prefix.ts';
import { allow, CLIENT, CLOSED, closedBut, OPEN, OTHER, SMALL, verdict, WEB } from './testing/judged.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const RUNS = 40;

function codeOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof DatapathError && error.code === code;
}

const verdictOf = fc
  .record({
    kind: fc.constantFrom('allow', 'deny', 'slot'),
    peer: fc.constantFrom(0, CLIENT, OTHER),
    protocol: fc.constantFrom(0, 6, 17, 58),
    port: fc.integer({ min: 0, max: 65_535 }),
    bits: fc.integer({ min: 0, max: 16 }),
  } as const)
  .map(({ kind, peer, protocol, port, bits }): Verdict => {
    const length = protocol === 0 ? 0 : bits;
    return verdict(kind, peer, protocol, port & (0xffff << (16 - length)), length);
  });
const keyOf = ({ peer, protocol, port, portPrefixLength }: Omit<Verdict, 'decision' | 'sources'>) =>
  [peer, protocol, port, portPrefixLength].join('/');
const direction = fc.record({
  defaultDeny: fc.boolean(),
  verdicts: fc.uniqueArray(verdictOf, { selector: keyOf, maxLength: 400, size: 'large' }),
});
const policies = fc.array(
  fc.record({ subject: fc.constantFrom(WEB, CLIENT), ingress: direction, egress: direction }) as fc.Arbitrary<SubjectPolicy>,
  { minLength: 1, maxLength: 4 },
);

describe('tables of the kernel', needs('root'), () => {
  let datapath: Datapath;
  const open = async (): Promise<void> => {
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
  };
  before(open);
  after(() => datapath.cleanUp());

  /** As text, in an order. */
  const written = (subject: number) =>
    [...datapath.verdicts.entries(subject)].map((entry) => `${entry.direction} ${keyOf(entry)} ${entry.decision}`).sort();
  const wanted = ({ ingress, egress }: SubjectPolicy) =>
    [...ingress.verdicts.map((entry) => ['ingress', entry] as const), ...egress.verdicts.map((entry) => ['egress', entry] as const)]
      .map(([of, entry]) => `${of} ${keyOf(entry)} ${entry.decision.kind}`)
      .sort();

  test('hold the verdicts that were set last, whatever was there before', async () => {
    await fc.assert(
      fc.asyncProperty(policies, async (all) => {
        for (const policy of all) {
          await datapath.verdicts.set([policy]);
          assert.deepEqual(written(policy.subject), wanted(policy));
        }
        assert.deepEqual(await datapath.verdicts.repair(), { foreign: [], missing: [] });
      }),
      { numRuns: RUNS },
    );
  });

  test('are the same for who opens them next', async () => {
    const policy: SubjectPolicy = { subject: WEB, ingress: closedBut(allow(CLIENT, 80)), egress: OPEN };
    await datapath.verdicts.replace([policy, { subject: OTHER, ingress: CLOSED, egress: CLOSED }]);
    await datapath.addresses.replace([{ prefix: '10.0.0.0/8', identity: WEB }]);
    await datapath.endpoints.set(5, { identity: WEB, addresses: ['10.0.0.1', 'FD00::0001'] });
    datapath[Symbol.dispose]();
    await open();
    assert.deepEqual(await datapath.verdicts.replace([policy]), { foreign: [String(OTHER)], missing: [] });
    assert.deepEqual(written(WEB), wanted(policy));
    assert.deepEqual([...datapath.addresses.entries()], [{ prefix: '10.0.0.0/8', identity: WEB }]);
    assert.deepEqual([...datapath.endpoints.entries()], [[5, { identity: WEB, addresses: ['10.0.0.1', 'fd00::1'] }]]);
    await datapath.endpoints.remove(5);
    assert.deepEqual(await datapath.endpoints.repair(), { foreign: [], missing: [] });
  });

  test('addresses are replaced by what differs, and the longest prefix is who it is', async () => {
    const entries = [
      { prefix: '0.0.0.0/0', identity: 9 },
      { prefix: '::/0', identity: 10 },
      { prefix: '10.0.1.7/32', identity: WEB },
      { prefix: '2001:db8::/32', identity: CLIENT },
    ];
    await datapath.addresses.replace(entries);
    await datapath.addresses.apply({ set: [{ prefix: '10.0.0.0/8', identity: OTHER }], removed: ['2001:0db8::/32'] });
    const expected = [...entries.slice(0, 3), { prefix: '10.0.0.0/8', identity: OTHER }];
    assert.deepEqual([...datapath.addresses.entries()], expected);
    assert.deepEqual(await datapath.addresses.repair(), { foreign: [], missing: [] });
  });

  test('what is no address or prefix is refused, and nothing of it is written', async () => {
    const before = [...datapath.addresses.entries()];
    for (const prefix of ['10.0.0.1', '10.0.0.1/8', '10.0.0.0/33', 'fd00::/129', 'fe80::1%eth0/128', 'a/8', '10.0.0.0/', '1.2.3.4/-1']) {
      await assert.rejects(
        datapath.addresses.apply({
          set: [
            { prefix: '10.9.0.0/16', identity: 5 },
            { prefix, identity: 5 },
          ],
        }),
        codeOf('invalid-address'),
      );
    }
    assert.deepEqual([...datapath.addresses.entries()], before);
    await assert.rejects(datapath.endpoints.set(7, { identity: 5, addresses: ['10.0.0.256'] }), codeOf('invalid-address'));
    assert.equal(datapath.endpoints.get(7), undefined);
  });

  test('that are full are an error, and what was in force stays as it was', async () => {
    const many = Array.from({ length: SMALL.addresses + 1 }, (_, index) => ({
      prefix: `10.${index >> 8}.${index & 0xff}.0/24`,
      identity: 5,
    }));
    await assert.rejects(datapath.addresses.replace(many), codeOf('maps-full'));
    await datapath.addresses.replace([{ prefix: '10.0.0.0/8', identity: WEB }]);
    assert.deepEqual(await datapath.addresses.repair(), { foreign: [], missing: [] });
    const policy: SubjectPolicy = { subject: WEB, ingress: closedBut(allow(CLIENT, 80)), egress: OPEN };
    await datapath.verdicts.set([policy]);
    const tooMany = Array.from({ length: SMALL.verdictsOfSubject + 1 }, (_, index) => allow(CLIENT, index + 1));
    await assert.rejects(datapath.verdicts.set([{ ...policy, ingress: closedBut(...tooMany) }]), codeOf('maps-full'));
    assert.deepEqual(written(WEB), wanted(policy));
    await datapath.verdicts.set([policy]);
    assert.deepEqual(await datapath.verdicts.repair(), { foreign: [], missing: [] });
  });

  test('that somebody else changed are found and repaired', async () => {
    const policy: SubjectPolicy = { subject: WEB, ingress: closedBut(allow(CLIENT, 80), allow(OTHER, 81)), egress: OPEN };
    await datapath.verdicts.replace([policy]);
    await datapath.addresses.replace([
      { prefix: '10.0.0.0/8', identity: WEB },
      { prefix: '10.1.0.0/16', identity: CLIENT },
    ]);
    await datapath.endpoints.set(5, { identity: WEB, addresses: ['10.0.0.1'] });
    tamper();
    assert.deepEqual(await datapath.addresses.repair(), { foreign: ['172.16.0.0/12'], missing: ['10.0.0.0/8', '10.1.0.0/16'] });
    assert.deepEqual(await datapath.endpoints.repair(), { foreign: ['6'], missing: ['5'] });
    assert.deepEqual(await datapath.verdicts.repair(), { foreign: ['77'], missing: [String(WEB)] });
    assert.deepEqual(written(WEB), wanted(policy));
    assert.deepEqual(readdirSync(`${PINS}/subject_verdict`), [String(WEB)]);
    for (const table of [datapath.addresses, datapath.endpoints, datapath.verdicts]) {
      assert.deepEqual(await table.repair(), { foreign: [], missing: [] });
    }
    rmSync(`${PINS}/subject_verdict/${WEB}`);
    assert.deepEqual(await datapath.verdicts.repair(), { foreign: [], missing: [String(WEB)] }, 'a trie that cannot be opened');
    assert.deepEqual(written(WEB), wanted(policy));
  });

  function tamper(): void {
    using addresses = openMap(`${PINS}/addresses`, ...maps.addresses);
    addresses.delete(encodePrefix('10.1.0.0/16'));
    addresses.set(encodePrefix('10.0.0.0/8'), CLIENT);
    addresses.set(encodePrefix('172.16.0.0/12'), CLIENT);
    using endpoints = openMap(`${PINS}/endpoints`, ...maps.endpoints);
    endpoints.set(5, { identity: CLIENT, ifindex: 5, changed: 0n });
    endpoints.set(6, { identity: CLIENT, ifindex: 6, changed: 0n });
    using subjects = openMap(`${PINS}/subjects`, ...maps.subjects);
    subjects.set(77, {
      changed: 0n,
      default_deny: new Uint8Array(2),
      is_policed: new Uint8Array(2),
      identity: 77,
      audits: 0,
      pad: new Uint8Array(7),
    });
    using trie = openMap(`${PINS}/subject_verdict/${WEB}`, verdict_key, VERDICT);
    const [first] = [...trie.entries()];
    assert.ok(first);
    trie.delete(first[0]);
    trie.set({ ...first[0], peer: 12_345 }, { ...first[1] });
    using outer = openMap(`${PINS}/verdicts`, u32, u32);
    assert.equal(outer.get(WEB), trie.id);
  }

  test('many identities are written at once', async () => {
    const all = Array.from({ length: SMALL.subjects }, (_, index): SubjectPolicy => {
      return {
        subject: 2_000 + index,
        ingress: closedBut(...Array.from({ length: 100 }, (__, port) => allow(CLIENT, port + 1))),
        egress: OPEN,
      };
    });
    await datapath.verdicts.replace(all);
    assert.deepEqual(new Set(datapath.verdicts.subjects()), new Set(all.map(({ subject }) => subject)));
    assert.equal(written(2_000).length, 100);
    await datapath.verdicts.remove(all.map(({ subject }) => subject));
    assert.deepEqual(datapath.verdicts.subjects(), []);
    assert.deepEqual(readdirSync(`${PINS}/subject_verdict`), []);
  });
});
