import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { ServiceSchema } from '@sluice/envoy-protos/sluice/node/v1/services_pb.js';
import {
  addressOf,
  HTTP,
  LISTENER,
  listenerSlot,
  policy,
  RAW,
  RULES,
  resource,
  ruleSlot,
  SERVICE,
  SLICE,
  WEB,
} from '../../testkit/taken-service.ts';
import { type Resource, SERVICE_TYPE, SLOT_TYPE, SnapshotCache } from '../../xds-server/serve/index.ts';
import { copyName, ListenerCopies, slotsIn } from './listener-copies.ts';

const OTHER = 'http/egress/b';
const DB = 1002;
const WORLD = [listenerSlot(), ruleSlot(RULES), ruleSlot(OTHER), SERVICE, SLICE, addressOf(WEB)];

function scene(...resources: readonly Resource[]) {
  const cache = new SnapshotCache({ partial: true });
  const copies = new ListenerCopies(cache);
  cache.watch(({ names }) => copies.note(names));
  cache.apply({ upserts: resources, removals: [] });
  const found = () => copies.of(slotsIn(cache)).map(({ name }) => name);
  return { cache, copies, found };
}

const COPY = copyName(LISTENER, RULES, false);

describe('copies of listeners that ask clients', () => {
  for (const [what, verdict, expected] of [
    ['to a backend at its port', {}, [COPY]],
    ['to anybody', { peer: 0 }, [COPY]],
    ['by any protocol', { protocol: 0, port: 0, portPrefixLength: 0 }, [COPY]],
    ['to a range of ports with its port', { port: 8064, portPrefixLength: 10 }, [COPY]],
    ['to somebody else', { peer: DB }, []],
    ['at another port', { port: 9090 }, []],
    ['by another protocol', { protocol: 17 }, []],
  ] as const) {
    test(`are made for what rules decide of ${what}${expected.length === 0 ? ': none' : ''}`, () => {
      assert.deepEqual(scene(...WORLD, policy(RULES, verdict)).found(), expected);
    });
  }

  for (const [what, ...changed] of [
    ['a listener that asks nothing', listenerSlot({ asksClients: false })],
    ['a listener that serves no HTTP', listenerSlot({ listener: RAW })],
    ['rules that nothing is asked of', ruleSlot(RULES, new Uint8Array())],
    [
      'a Service that is not taken',
      resource(SERVICE_TYPE, 'default/shop', ServiceSchema, { ports: [{ name: 'http', protocol: 6, port: 80 }] }),
    ],
    ['a policy that cannot be read', { ...policy(RULES), body: new Uint8Array([1]) }],
    ['a slice that cannot be read', { ...SLICE, version: 'x', body: new Uint8Array([1]) }],
    ['backends that are no pods', addressOf(DB)],
  ] as const) {
    test(`are not made for ${what}`, () => {
      const { cache, found } = scene(...WORLD, policy(RULES));
      assert.deepEqual(found(), [COPY]);
      cache.apply({ upserts: changed, removals: [] });
      assert.deepEqual(found(), []);
    });
  }

  test('ask the rules by the name of their slot, and need what these need', () => {
    const { cache, copies } = scene(...WORLD, policy(RULES));
    const [copy] = copies.of(slotsIn(cache));
    assert.ok(copy);
    assert.deepEqual([copy.direction, copy.copyOf, copy.requires.map(({ name }) => name)], ['service', LISTENER, [RULES]]);
    assert.equal(fromBinary(ListenerSchema, copy.listener).filterChains.length, 1);
    assert.notDeepEqual(copy.listener, HTTP);
  });

  test('stay the same objects while what they are made of does, and follow what changes', () => {
    const { cache, copies, found } = scene(...WORLD, policy(RULES));
    const [before] = copies.of(slotsIn(cache));
    cache.apply({ upserts: [{ ...addressOf(WEB), name: '10.0.0.8/32' }], removals: [] });
    assert.equal(copies.of(slotsIn(cache))[0], before);
    cache.apply({ upserts: [policy(OTHER)], removals: [] });
    assert.deepEqual(found(), [copyName(LISTENER, OTHER, false)]);
    cache.apply({ upserts: [], removals: [{ typeUrl: SLOT_TYPE, name: LISTENER }] });
    assert.deepEqual(found(), []);
  });

  test('are others where asking once is enough, which both have to say', () => {
    for (const [ofListener, ofRules] of [
      [true, true],
      [true, false],
      [false, true],
    ] as const) {
      const { cache, copies } = scene(...WORLD.slice(1), listenerSlot({ asksOnce: ofListener }), policy(RULES));
      cache.apply({ upserts: [ruleSlot(RULES, HTTP, ofRules)], removals: [] });
      const isEnough = ofListener && ofRules;
      const found = copies.of(slotsIn(cache)).map(({ name, asksOnce }) => [name, asksOnce]);
      assert.deepEqual(found, [[copyName(LISTENER, RULES, isEnough), isEnough]]);
    }
  });

  test('have names that kernels have room for', () => {
    assert.match(copyName(LISTENER, RULES, false), /^service\/[\w-]{22}$/);
    assert.notEqual(copyName(LISTENER, RULES, false), copyName(LISTENER, OTHER, false));
  });
});
