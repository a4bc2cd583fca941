import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DirectionPolicy, Identity, PodEndpoint, SubjectPolicy } from '../../model/index.ts';
import { type DevicesState, NO_DEVICES } from '../pods/index.ts';
import { LONGEST_WAIT_MS, Newcomers } from './newcomers.ts';

const INIT = 5;
/** Of these, 300 and 301 are isolated, 400 and 401 are not. */
const ISOLATED = new Set([300, 301]);
const NETWORKS = ['10.244.0.0/24', 'fd00:244::/64'];

function policyOf(subject: Identity): SubjectPolicy | undefined {
  if (subject === 999) return undefined;
  const direction: DirectionPolicy = { defaultDeny: ISOLATED.has(subject) || subject === INIT, verdicts: [] };
  return { subject, ingress: { defaultDeny: false, verdicts: [] }, egress: direction };
}

function pod(identity: Identity, addresses: readonly string[] = [], name = `pod-${identity}`): PodEndpoint {
  return { pod: { kind: 'Pod', namespace: 'shop', name }, uid: `uid-${name}`, node: 'n1', addresses, identity };
}

function device(ifindex: number, ...addresses: readonly string[]) {
  return { ifindex, name: `veth${ifindex}`, namespace: 1, mac: undefined, addresses };
}

function stateOf(state: Partial<DevicesState>): DevicesState {
  return { ...NO_DEVICES, ...state };
}

class Scene {
  now = 0;
  guardedNetworks: readonly string[] = NETWORKS;
  readonly told = new Set<string>();
  readonly newcomers: Newcomers;

  /** @param known devices that the kernel has something of */
  constructor({ known = [], before = [] }: { readonly known?: readonly number[]; readonly before?: DevicesState['strangers'] } = {}) {
    this.newcomers = new Newcomers({ isKnown: (ifindex) => known.includes(ifindex), now: () => this.now });
    this.find({ strangers: before });
  }

  /** Identities and addresses, by the device's number. */
  find(state: Partial<DevicesState>): Record<number, readonly [Identity, ...string[]]> {
    const { guardedNetworks } = this;
    const found = this.newcomers.find(stateOf(state), { guardedNetworks, policyOf, isTold: (address) => this.told.has(address) });
    return Object.fromEntries(found.map(({ ifindex, identity, addresses }) => [ifindex, [identity, ...addresses]]));
  }
}

const NEW = device(7, '10.244.0.9', 'fd00:244::9', 'fe80::1');

describe('whoever comes by a new device', () => {
  const CASES: readonly [what: string, missing: readonly PodEndpoint[], identity: Identity | undefined][] = [
    ['is who is awaited', [pod(300)], 300],
    ['is who is awaited, however many of them', [pod(300, [], 'a'), pod(300, [], 'b')], 300],
    ['is init where any of several may have come', [pod(300), pod(301)], INIT],
    ['is init where one of several is isolated', [pod(400), pod(300)], INIT],
    ['is init where nobody is awaited', [], INIT],
    ['is init where one is awaited whose labels are not known', [pod(INIT)], INIT],
    ['is init where nothing is said of who is awaited', [pod(999)], INIT],
    ['is init where it may be one that had another address', [pod(300, ['10.244.0.3'])], INIT],
    ['is left alone where nothing isolates who is awaited', [pod(400), pod(401)], undefined],
    ['is left alone where nothing isolates who is awaited or lacks a device', [pod(400), pod(401, ['10.244.0.3'])], undefined],
  ];
  for (const [what, missing, identity] of CASES) {
    test(what, () => {
      const expected = identity === undefined ? {} : { 7: [identity, '10.244.0.9', 'fd00:244::9'] };
      assert.deepEqual(new Scene().find({ strangers: [NEW], missing }), expected);
    });
  }

  test('is init where more have come than are awaited', () => {
    const found = new Scene().find({ strangers: [NEW, device(8, '10.244.0.10')], missing: [pod(400)] });
    assert.deepEqual(found, { 7: [INIT, '10.244.0.9', 'fd00:244::9'], 8: [INIT, '10.244.0.10'] });
  });

  test('is another as soon as others may be meant', () => {
    const scene = new Scene();
    assert.deepEqual(scene.find({ strangers: [NEW], missing: [pod(300)] })[7]?.[0], 300);
    assert.deepEqual(scene.find({ strangers: [NEW], missing: [pod(300), pod(400)] })[7]?.[0], INIT);
    assert.deepEqual(scene.find({ strangers: [NEW], missing: [pod(400)] })[7], undefined);
  });

  test('has no address that is somebody’s', () => {
    const scene = new Scene();
    scene.told.add('10.244.0.9');
    assert.deepEqual(scene.find({ strangers: [NEW], missing: [pod(300)] }), { 7: [300, 'fd00:244::9'] });
  });

  test('is left alone outside of the networks of pods, and where there are no policies', () => {
    const scene = new Scene();
    assert.deepEqual(scene.find({ strangers: [device(7, '172.17.0.2', 'fe80::1'), device(8)] }), {});
    scene.guardedNetworks = [];
    assert.deepEqual(scene.find({ strangers: [NEW] }), {});
    assert.equal(scene.newcomers.nextInMs(), undefined);
  });

  test('is left alone after a while in which nobody said who it is', () => {
    const scene = new Scene();
    assert.deepEqual(scene.find({ strangers: [NEW] })[7]?.[0], INIT);
    scene.now = LONGEST_WAIT_MS - 1;
    assert.deepEqual(scene.find({ strangers: [NEW] })[7]?.[0], INIT);
    assert.equal(scene.newcomers.nextInMs(), 1);
    scene.now = LONGEST_WAIT_MS;
    for (let again = 0; again < 2; again++) assert.deepEqual(scene.find({ strangers: [NEW] }), {});
    assert.equal(scene.newcomers.nextInMs(), undefined);
  });
});

describe('devices that were there', () => {
  test('before anything was guarded are left alone, whoever else comes', () => {
    const scene = new Scene({ before: [NEW] });
    const found = scene.find({ strangers: [NEW, device(8, '10.244.0.10')], missing: [pod(300)] });
    assert.deepEqual(found, { 8: [300, '10.244.0.10'] });
  });

  test('and were closed by a process before this one stay closed', () => {
    const scene = new Scene({ known: [7], before: [NEW] });
    assert.deepEqual(scene.find({ strangers: [NEW] })[7]?.[0], INIT);
  });

  test('for a pod are closed when that is gone, or has other addresses', () => {
    const scene = new Scene();
    assert.deepEqual(scene.find({ pods: [{ ...NEW, endpoint: pod(400, ['10.244.0.9']) }] }), {});
    const others = { strangers: [NEW, device(8, '10.244.0.10')], missing: [pod(300)] };
    assert.deepEqual(scene.find(others), { 7: [INIT, '10.244.0.9', 'fd00:244::9'], 8: [300, '10.244.0.10'] });
    scene.now = LONGEST_WAIT_MS;
    assert.deepEqual(scene.find({ strangers: [device(7, '192.0.2.1')] }), { 7: [INIT] });
  });
});

describe('a device with the address of a pod that had another one', () => {
  const ADDRESS = '10.244.0.9';
  const old = pod(300, [ADDRESS], 'old');
  const [first, second] = [device(7, ADDRESS), device(8, ADDRESS)];
  const isOld = { pods: [{ ...second, endpoint: old }] };

  /** Where the pod was known by its first device, which is gone. */
  function scene(): Scene {
    const made = new Scene();
    made.find({ pods: [{ ...first, endpoint: old }] });
    made.find({ missing: [old] });
    made.told.add(ADDRESS);
    return made;
  }

  const CASES: readonly [what: string, missing: readonly PodEndpoint[], identity: Identity | undefined][] = [
    ['is init where nobody is awaited: a node may be told of both too late', [], INIT],
    ['is init where another is awaited', [pod(301)], INIT],
    ['is init where one is awaited that nothing isolates', [pod(400)], INIT],
    ['is the pod, or one like it, where only such are awaited', [pod(300, [], 'new')], undefined],
    ['is init where others have come too', [pod(300, [], 'new'), pod(301)], INIT],
  ];
  for (const [what, missing, identity] of CASES) {
    test(what, () => assert.deepEqual(scene().find({ ...isOld, missing }), identity === undefined ? {} : { 8: [identity] }));
  }

  test('is who has the address as soon as that is told, and is not closed as one that was a pod’s', () => {
    const made = scene();
    made.find(isOld);
    assert.deepEqual(made.find({ pods: [{ ...second, endpoint: pod(301, [ADDRESS], 'new') }] }), {});
  });

  test('is a newcomer as others are when the pod is gone', () => {
    const made = scene();
    made.find(isOld);
    made.told.delete(ADDRESS);
    assert.deepEqual(made.find({ strangers: [second], missing: [pod(301)] }), { 8: [301, ADDRESS] });
  });

  test('is the pod’s when its addresses are told anew, or after a while', () => {
    const told = scene();
    told.find({ missing: [{ ...old, addresses: [] }] });
    assert.deepEqual(told.find(isOld), {});
    const others = scene();
    assert.deepEqual(others.find({ pods: [{ ...second, endpoint: { ...old, addresses: ['fd00:244::9'] } }] }), {});
    const waited = scene();
    assert.deepEqual(waited.find(isOld), { 8: [INIT] });
    waited.now = LONGEST_WAIT_MS;
    for (let again = 0; again < 3; again++) assert.deepEqual(waited.find(isOld), {});
  });
});
