import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MetCopy, TakenFrontend } from '../../bpf/datapath/index.ts';
import type { Decision, SubjectPolicy } from '../../model/index.ts';
import { copyName } from '../slots/listener-copies.ts';
import { type LedPort, MetCopies } from './met-copies.ts';

const [LISTENER, RULES, OTHER] = ['service/shop', 'http/egress/a', 'http/egress/b'];
const PORTS = { [RULES]: 10_001, [OTHER]: 10_002, [LISTENER]: 10_003, [copyName(LISTENER, RULES, true)]: 10_004 } as const;
const COPY = 10_004;
const FRONTENDS: readonly TakenFrontend[] = ['10.96.0.7', 'fd00:96::7'].map((address) => ({ address, port: 80 }));
const CLIENT = 1000;
/** By the backend's address, who it is. */
const PEERS: Readonly<Record<string, number>> = { '10.0.0.1': 1001, '10.0.0.2': 1002, '10.0.0.3': 1001 };

function policyOf(subject: number, decision: Decision): SubjectPolicy {
  const verdict = { peer: 0, protocol: 6, port: 0, portPrefixLength: 0, decision, sources: [] };
  return { subject, ingress: { defaultDeny: false, verdicts: [] }, egress: { defaultDeny: true, verdicts: [verdict] } };
}
const SLOTTED = policyOf(CLIENT, { kind: 'slot', slot: RULES });

class Scene {
  table: readonly MetCopy[] = [];
  writes = 0;
  asked = 0;
  /** Which copy asks the rules of which slot. */
  askedBy: readonly (readonly [number, number])[] = [];
  /** How often that was written. */
  askedWrites = 0;
  /** Makes the next writing fail. */
  failure: Error | undefined;
  /** What the kernel says of a peer; undefined: it is refused. */
  slots: Readonly<Record<number, number | undefined>> = { 1001: PORTS[RULES], 1002: PORTS[RULES] };
  readonly copies: MetCopies;

  constructor() {
    const scene = this;
    this.copies = new MetCopies({
      datapath: {
        takenForClients: {
          *entries() {
            yield* scene.table;
          },
          async set(copies) {
            scene.writes += 1;
            scene.table = [...copies];
          },
        },
        askedCopies: {
          async set(asked) {
            const { failure } = scene;
            scene.failure = undefined;
            if (failure) throw failure;
            scene.askedWrites += 1;
            scene.askedBy = [...asked];
          },
        },
        verdicts: {
          judge: (_subject, _direction, opened) => {
            scene.asked += opened.length;
            return opened.map(({ peer }) => scene.slots[peer]);
          },
        },
        addresses: { identityOf: (address) => PEERS[address] ?? 0 },
      },
    });
    this.redirect(...Object.keys(PORTS));
  }

  redirect(...slots: readonly string[]): void {
    this.copies.setRedirects(Object.entries(PORTS).flatMap(([slot, port]) => (slots.includes(slot) ? [{ slot, port, ready: true }] : [])));
  }

  async settle(backends: readonly string[] = ['10.0.0.1', '10.0.0.2'], clients: readonly SubjectPolicy[] = [SLOTTED]): Promise<void> {
    const led: LedPort = { slot: LISTENER, frontends: FRONTENDS, backends: backends.map((address) => ({ address, port: 8080 })) };
    await this.copies.settle([led], clients);
  }
}

const MET = FRONTENDS.map((frontend) => ({ ...frontend, identity: CLIENT, listener: COPY }));

describe('who meets a copy of a listener', () => {
  test('is whom one slot decides for, of all backends', async () => {
    const scene = new Scene();
    await scene.settle();
    assert.deepEqual(scene.table, MET);
    await scene.settle(['10.0.0.1', '10.0.0.3']);
    assert.deepEqual(scene.table, MET);
  });

  for (const [what, slots, backends] of [
    ['nobody where slots differ', { 1001: PORTS[RULES], 1002: PORTS[OTHER] }, undefined],
    ['nobody where some backends have no slot', { 1001: PORTS[RULES], 1002: 0 }, undefined],
    ['nobody where some may not be reached', { 1001: PORTS[RULES], 1002: undefined }, undefined],
    ['nobody where there is no slot', { 1001: 0, 1002: 0 }, undefined],
    ['nobody where the slot has no copy', { 1001: PORTS[OTHER], 1002: PORTS[OTHER] }, undefined],
    ['nobody where nobody serves', { 1001: PORTS[RULES], 1002: PORTS[RULES] }, []],
  ] as const) {
    test(`is ${what}`, async () => {
      const scene = new Scene();
      await scene.settle();
      scene.slots = slots;
      await scene.settle(backends);
      assert.deepEqual(scene.table, []);
    });
  }

  test('is told beside what each copy asks, also one that nobody meets', async () => {
    const scene = new Scene();
    scene.slots = {};
    await scene.settle();
    assert.deepEqual([scene.table, scene.askedBy], [[], [[COPY, PORTS[RULES]]]]);
    scene.copies.removeRedirects([copyName(LISTENER, RULES, true)]);
    await scene.settle();
    assert.deepEqual(scene.askedBy, []);
  });

  test('is told what copies ask only where that has changed, or could not be written', async () => {
    const scene = new Scene();
    scene.failure = new Error('the table is full');
    await assert.rejects(scene.settle(), scene.failure);
    await scene.settle();
    await scene.settle(['10.0.0.1']);
    assert.deepEqual([scene.askedBy, scene.askedWrites], [[[COPY, PORTS[RULES]]], 1]);
  });

  test('is nobody while the copy is not there, or not any more', async () => {
    const scene = new Scene();
    const slot = copyName(LISTENER, RULES, true);
    scene.copies.setRedirects([{ slot, port: COPY, ready: false }]);
    await scene.settle();
    assert.deepEqual(scene.table, []);
    scene.redirect(slot);
    await scene.settle();
    assert.deepEqual(scene.table, MET);
    scene.copies.removeRedirects([slot]);
    await scene.settle();
    assert.deepEqual(scene.table, []);
  });

  test('is not asked for where there is no copy at all, or no client with a slot', async () => {
    const scene = new Scene();
    await scene.settle(undefined, [policyOf(CLIENT, { kind: 'allow' })]);
    scene.copies.removeRedirects([copyName(LISTENER, RULES, true)]);
    await scene.settle();
    assert.deepEqual([scene.asked, scene.writes], [0, 0]);
  });
});
