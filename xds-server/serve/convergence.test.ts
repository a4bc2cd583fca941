import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { endpointsOf, ModelClient, type ModelResponse } from '../../testkit/xds/model-client.ts';
import { type ModelBody, modelResource } from '../../testkit/xds/model-resources.ts';
import { type ModelConnection, ModelWorld } from '../../testkit/xds/model-world.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_CONFIG_TYPE,
  type Grant,
  LISTENER_TYPE,
  type Resource,
  type ResourceName,
  ROUTES_TYPE,
  SCOPED_ROUTES_TYPE,
  SECRET_TYPE,
  SnapshotCache,
} from './index.ts';
import { mayRequire } from './types.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 600);
/** Types that model clients ask for as a whole. */
const WILDCARDS = [CLUSTER_TYPE, LISTENER_TYPE, SCOPED_ROUTES_TYPE];
const EXTENSIONS = ['x0', 'x1', 'x2'];

/** What an arbitrary snapshot may hold, and what each resource in it may require. */
const UNIVERSE: readonly { readonly name: ResourceName; readonly mayRequire: readonly ResourceName[] }[] = [
  ...of(ENDPOINTS_TYPE, ['e0', 'e1', 'e2'], []),
  ...of(SECRET_TYPE, ['k0'], []),
  ...of(EXTENSION_CONFIG_TYPE, EXTENSIONS, []),
  ...of(CLUSTER_TYPE, ['c0', 'c1', 'c2'], [...names(ENDPOINTS_TYPE, ['e0', 'e1', 'e2']), ...names(SECRET_TYPE, ['k0'])]),
  ...of(ROUTES_TYPE, ['r0', 'r1', 'r2'], names(CLUSTER_TYPE, ['c0', 'c1', 'c2'])),
  ...of(SCOPED_ROUTES_TYPE, ['s0', 's1'], names(ROUTES_TYPE, ['r0', 'r1', 'r2'])),
  ...of(
    LISTENER_TYPE,
    ['l0', 'l1'],
    [
      ...names(ROUTES_TYPE, ['r0', 'r1']),
      ...names(CLUSTER_TYPE, ['c0', 'c2']),
      ...names(SCOPED_ROUTES_TYPE, ['s0']),
      ...names(SECRET_TYPE, ['k0']),
    ],
  ),
];

function names(typeUrl: string, all: readonly string[]): ResourceName[] {
  return all.map((name) => ({ typeUrl, name }));
}

function of(typeUrl: string, all: readonly string[], mayRequire: readonly ResourceName[]) {
  return names(typeUrl, all).map((name) => ({ name, mayRequire }));
}

interface Draft {
  readonly present: boolean;
  readonly version: number;
  readonly bad: boolean;
  /** Bits: which of what it may require it requires. */
  readonly requires: number;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  present: fc.boolean(),
  version: fc.nat(2),
  bad: fc.integer({ min: 0, max: 7 }).map((roll) => roll === 0),
  requires: fc.nat(255),
});

/** Anything required is present too, so every draft is a consistent snapshot. */
const snapshot: fc.Arbitrary<readonly Resource[]> = fc
  .array(draft, { minLength: UNIVERSE.length, maxLength: UNIVERSE.length })
  .map((drafts) => {
    const present = new Map<string, Resource>();
    // What is required comes first in the universe, so whoever requires is added before it when going backwards.
    for (let index = UNIVERSE.length - 1; index >= 0; index--) {
      const slot = UNIVERSE[index];
      const drafted = drafts[index];
      assert.ok(slot && drafted);
      const isRequired = [...present.values()].some(({ requires }) => requires.some(({ name }) => name === slot.name.name));
      if (!drafted.present && !isRequired) continue;
      const requires = slot.mayRequire.filter((_, bit) => drafted.requires & (1 << bit));
      const version = `${drafted.version}${drafted.bad ? '!' : ''} ${requires.map(({ name }) => name).join('+')}`;
      present.set(slot.name.name, modelResource(slot.name.typeUrl, slot.name.name, version, requires));
    }
    return legible([...present.values()]);
  });

/** Counterexamples are read by people. */
function legible<T extends ResourceName & { readonly version?: string }>(resources: readonly T[]): readonly T[] {
  const print = () => resources.map(({ name, version }) => (version === undefined ? name : `${name}@${version.trim()}`)).join(', ');
  return Object.assign([...resources], { [fc.toStringMethod]: print });
}

/** Undefined: as at first, everything. */
const grant: fc.Arbitrary<Grant | undefined> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .subarray(
        UNIVERSE.map(({ name }) => name),
        { maxLength: 5 },
      )
      .map(legible),
  },
  { weight: 1, arbitrary: fc.constant('nothing') },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

const client = fc.nat(1);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constantFrom('request', 'response', 'write', 'pump'), client, times: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('publish'), snapshot }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('grant'), client, grant }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('reconnect', 'restart'), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass'), milliseconds: fc.constantFrom(300, 1_000, 2_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('ask', 'leave'), client, name: fc.constantFrom(...EXTENSIONS) }) },
);

interface Peer {
  readonly client: ModelClient;
  /** Undefined once it was told that it sees something else than everything: of what it saw when, nobody keeps account. */
  history: History | undefined;
  connection: ModelConnection;
  granted: Grant;
}

interface Run {
  readonly world: ModelWorld;
  readonly peers: Peer[];
}

/** Every resource that ever was, by the revisions at which it came to be or was gone. */
class History {
  readonly #versions = new Map<string, { readonly revision: number; readonly version: string | undefined }[]>();

  constructor(cache: SnapshotCache) {
    cache.watch(({ revision, names }) => {
      for (const name of names) this.#of(name).push({ revision, version: cache.get(name)?.version });
    });
  }

  /** The versions that a name had at a revision and ever since, undefined for none; empty where it was not there yet. */
  since(name: ResourceName, revision: number): readonly (string | undefined)[] {
    const all = this.#of(name);
    const first = all.findLastIndex((each) => each.revision <= revision);
    return first < 0 ? [] : all.slice(first).map(({ version }) => version);
  }

  #of({ typeUrl, name }: ResourceName) {
    const key = `${typeUrl} ${name}`;
    const versions = this.#versions.get(key) ?? [];
    this.#versions.set(key, versions);
    return versions;
  }
}

/** How often a session said how far its client is while there was more to come. */
let syncedBetween = 0;

/** What the client has of a name is what was to be had at the revision, or came later; unless that was refused, or it is yet to be drained. */
function assertSynced({ client, history, connection }: Peer, revision: number): void {
  if (!history) return;
  if (!connection.session?.isSynced) syncedBetween++;
  for (const { name: slot } of UNIVERSE) {
    const { typeUrl, name } = slot;
    const versions = history.since(slot, revision);
    const has = client.resources(typeUrl).get(name)?.version;
    // What is asked for by name may have been asked for later.
    if (has === undefined && !WILDCARDS.includes(typeUrl)) continue;
    if (versions.length === 0 || versions.some((version) => version === undefined || isBad({ version }))) continue;
    assert.ok(versions.includes(has), `${name} is ${has} at ${revision}, where ${versions.join(', ')} was to be had`);
  }
}

/** Resources that were sent to a client that sees a part only. */
let sentInPart = 0;

for (const variant of ['delta', 'sotw'] as const) {
  describe(`any interleaving, ${variant}`, () => {
    test('ends with each client at the snapshot, and never breaks before it makes', () => {
      fc.assert(
        fc.property(
          fc.array(step, { minLength: 5, maxLength: 120 }),
          fc.boolean(),
          fc.constantFrom(0, 2_000),
          (steps, appliesGoodPart, drainMs) => {
            const world = new ModelWorld(new SnapshotCache(), drainMs);
            const peers = ['node-0', 'node-1'].map((nodeId) => {
              const client = new ModelClient({ nodeId, variant, refuses: isBad, appliesGoodPart: appliesGoodPart && variant === 'delta' });
              return begin(world, client);
            });
            const run = { world, peers };
            for (const each of steps) take(run, each);
            finish(run);
            for (const peer of peers) assertConverged(world, peer);
            // What is last good is settled by now, so whoever has nothing gets it in place of what it refuses.
            for (const client of [0, 1]) take(run, { do: 'restart', client });
            finish(run);
            for (const peer of peers) assertConverged(world, peer);
            for (const peer of peers) assertLastGood(world, peer);
          },
        ),
        { numRuns: RUNS, endOnFailure: process.env['SLUICE_PROPERTY_SHRINK'] === '0' },
      );
      assert.ok(sentInPart > RUNS, `${sentInPart} resources in views of a part`);
      assert.ok(syncedBetween > RUNS / 4, `${syncedBetween} times synced between`);
    });
  });
}

/** Worked out anew each time, unlike what is tested. */
function visibleTo({ granted }: Peer, { cache }: ModelWorld, { typeUrl, name }: ResourceName): Resource | undefined {
  const resource = cache.get({ typeUrl, name });
  if (!resource || granted === 'everything') return resource;
  const reached = new Set<Resource | undefined>(granted === 'nothing' ? [] : granted.map((root) => cache.get(root)));
  for (const each of reached) for (const required of each?.requires ?? []) reached.add(cache.get(required));
  return reached.has(resource) ? resource : undefined;
}

function isAbsentOrBad(world: ModelWorld, peer: Peer, name: ResourceName): boolean {
  const current = visibleTo(peer, world, name);
  return current === undefined || isBad(current);
}

function isBad({ version }: { readonly version: string }): boolean {
  return version.includes('!');
}

function begin(world: ModelWorld, client: ModelClient): Peer {
  const events = {
    onSent: (bytes: Uint8Array) => assertSent(world, peer, bytes, true),
    onSynced: (revision: number) => assertSynced(peer, revision),
  };
  const peer: Peer = { client, history: new History(world.cache), connection: world.connect(client, events), granted: 'everything' };
  return peer;
}

function reconnect(world: ModelWorld, peer: Peer): void {
  const { client } = peer;
  // Who resumes a stream of the state of the world does not say what it has.
  const isKnown = client.options.variant === 'delta' || client.resources(CLUSTER_TYPE).size === 0;
  peer.connection = world.connect(client, {
    onSent: (bytes) => assertSent(world, peer, bytes, isKnown),
    onSynced: (revision) => assertSynced(peer, revision),
  });
}

/** @param isKnown whether the server knows what the client had when it came */
function assertSent(world: ModelWorld, peer: Peer, bytes: Uint8Array, isKnown: boolean): void {
  const response = peer.client.decode(bytes);
  assertSeen(world, peer, response);
  assertUpsertsOrdered(world, peer, response);
  if (isKnown) assertRemovalsOrdered(peer.client, peer.connection, response);
}

/** The state of the world says again what is not to be removed yet. */
function assertSeen(world: ModelWorld, peer: Peer, { typeUrl, resources }: ModelResponse): void {
  const { client, connection, granted } = peer;
  const unread = connection.unread.flatMap((bytes) => client.decode(bytes)).filter((response) => response.typeUrl === typeUrl);
  const had = [...client.resources(typeUrl).values(), ...unread.slice(0, -1).flatMap((response) => response.resources)];
  for (const { name, version } of resources) {
    const isRepeated = client.options.variant === 'sotw' && had.some((each) => each.name === name && each.version === version);
    assert.ok(isRepeated || visibleTo(peer, world, { typeUrl, name }), `${name} is sent to who was not granted it`);
  }
  if (granted !== 'everything') sentInPart += resources.length;
}

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take({ world, peers }: Run, each: Step): void {
  if ('snapshot' in each) world.cache.replace(each.snapshot);
  else if ('grant' in each) grantTo(peers[each.client], world, each.grant);
  else if ('milliseconds' in each) world.clock.pass(each.milliseconds);
  else if (each.do === 'settle') settle(peers);
  else takeOf(peers, world, each);
}

function grantTo(peer: Peer | undefined, { views }: ModelWorld, grant: Grant | undefined): void {
  assert.ok(peer);
  peer.granted = grant ?? 'everything';
  peer.history = undefined;
  views.grant(new Map([[peer.client.options.nodeId, grant]]));
}

function takeOf(peers: Run['peers'], world: ModelWorld, each: Exclude<Extract<Step, { client: number }>, { grant?: unknown }>): void {
  const peer = peers[each.client];
  assert.ok(peer);
  if ('times' in each) {
    for (let count = 0; count < each.times; count++) peer.connection.step(each.do);
  } else if ('name' in each) {
    if (each.do === 'ask') peer.client.subscribe(EXTENSION_CONFIG_TYPE, each.name);
    else peer.client.unsubscribe(EXTENSION_CONFIG_TYPE, each.name);
  } else {
    peer.connection.close();
    if (each.do === 'restart') peer.client.restart();
    reconnect(world, peer);
  }
}

/** Lets everything arrive and all delays pass. */
function finish({ world, peers }: Run): void {
  if (!world.cache.isReady) world.cache.replace([]);
  for (let round = 0; round < 1_000; round++) {
    settle(peers);
    if (!world.clock.hasTimers) return;
    world.clock.pass(50_000);
  }
  assert.fail('the world does not come to rest');
}

/** Lets everything arrive. */
function settle(peers: Run['peers']): void {
  // As after every change; whatever comes later must need no push.
  for (const { connection } of peers) connection.step('pump');
  for (let moved = true; moved; ) {
    moved = false;
    for (const { connection } of peers) {
      for (const kind of ['write', 'response', 'request'] as const) while (connection.step(kind)) moved = true;
    }
  }
}

function assertConverged(world: ModelWorld, peer: Peer): void {
  const { client, connection } = peer;
  assert.ok(connection.session?.isSynced, 'the session says that it is synced');
  for (const cluster of client.warming) {
    const endpoints = endpointsOf(client.resources(CLUSTER_TYPE).get(cluster) ?? { name: cluster, version: '', requires: [] });
    const unavailable = endpoints.filter((name) => {
      const slot = { typeUrl: ENDPOINTS_TYPE, name };
      const held = client.resources(ENDPOINTS_TYPE).get(name);
      // Of the version that it holds on to, the server may not have the body: it never saw it accepted, or it was gone since.
      // What it never had may come in a version that is good for others, and requires what this one does not see.
      const isSeen = !client.cold.has(cluster) || visibleTo(peer, world, slot) !== undefined;
      const isKnown = client.streams === 1 && isSeen && held?.version === world.lastGood.get(ENDPOINTS_TYPE, name)?.resource.version;
      const isUnknown = isAbsentOrBad(world, peer, slot) && !isKnown;
      return !held || isUnknown;
    });
    assert.notDeepEqual(unavailable, [], `${cluster} does not wait for endpoints that it could have`);
  }
  for (const { name: slot } of UNIVERSE) {
    const { typeUrl, name } = slot;
    const has = client.resources(typeUrl).get(name);
    const current = isWanted(client, slot) ? visibleTo(peer, world, slot) : undefined;
    if (current && !isBad(current)) assert.equal(has?.version, current.version, `${name} is current`);
    else if (current) {
      assert.ok(!has || !isBad(has), `${name} is refused`);
    } else if (has && client.options.variant === 'delta' && !mayBeRequired(world, peer, slot)) {
      assert.ok(requiredBy(client, slot).length > 0, `${name} is gone, or something needs it`);
    }
  }
}

/**
 * Holds on to something that may require this, since it refuses what should replace it, in a version whose acceptance was
 * lost with a stream: nobody knows what that requires.
 */
function mayBeRequired(world: ModelWorld, peer: Peer, { typeUrl }: ResourceName): boolean {
  const { client } = peer;
  return UNIVERSE.some(({ name: slot }) => {
    const held = client.resources(slot.typeUrl).get(slot.name);
    const isKnown = held?.version === world.lastGood.get(slot.typeUrl, slot.name)?.resource.version;
    return held && mayRequire(slot.typeUrl, typeUrl) && isAbsentOrBad(world, peer, slot) && !isKnown;
  });
}

function assertLastGood(world: ModelWorld, peer: Peer): void {
  const { client } = peer;
  for (const { name: slot } of UNIVERSE) {
    const { typeUrl, name } = slot;
    const current = isWanted(client, slot) ? visibleTo(peer, world, slot) : undefined;
    if (!current || !isBad(current)) continue;
    const good = world.lastGood.get(typeUrl, name)?.resource.version;
    assert.equal(client.resources(typeUrl).get(name)?.version, good, `of ${name} the last good version is in force`);
  }
}

function isWanted(client: ModelClient, { typeUrl, name }: ResourceName): boolean {
  return WILDCARDS.includes(typeUrl) || client.names(typeUrl).has(name);
}

function requiredBy(client: ModelClient, { typeUrl, name }: ResourceName) {
  const all = UNIVERSE.flatMap(({ name: slot }) => client.resources(slot.typeUrl).get(slot.name) ?? []);
  return all.filter(({ requires }) => requires.some((required) => required.typeUrl === typeUrl && required.name === name));
}

/** At the moment at which the server sends. */
function assertUpsertsOrdered(world: ModelWorld, peer: Peer, { typeUrl, resources }: ModelResponse): void {
  const { client } = peer;
  const has = (name: string) => client.resources(CLUSTER_TYPE).has(name);
  if (typeUrl === ROUTES_TYPE || typeUrl === LISTENER_TYPE) {
    for (const { name, requires, version } of resources) {
      const isNew = client.resources(typeUrl).get(name)?.version !== version;
      for (const required of requires.filter((each) => each.typeUrl === CLUSTER_TYPE && isNew)) {
        const current = visibleTo(peer, world, required);
        const refused = current !== undefined && isBad(current);
        assert.ok(has(required.name) || refused || !current, `${name} is sent before ${required.name}, which it requires, was accepted`);
        // The version that is in place when it is asked for may be one that waits in vain, and the next is about to come.
        const versions = [current, client.resources(CLUSTER_TYPE).get(required.name)];
        const waitsInVain = versions.some((each) => each?.requires.some((endpoints) => isAbsentOrBad(world, peer, endpoints)));
        const usable = !client.cold.has(required.name) || !current || waitsInVain;
        assert.ok(usable || refused, `${name} is sent before ${required.name}, which it requires, has endpoints`);
      }
    }
  }
}

function assertRemovalsOrdered(client: ModelClient, connection: ModelConnection, { typeUrl, removed }: ModelResponse): void {
  if (typeUrl !== CLUSTER_TYPE) return;
  const unread: ModelBody[] = connection.unread.flatMap((bytes) => client.decode(bytes).resources);
  for (const name of removed.filter((each) => client.resources(CLUSTER_TYPE).has(each))) {
    const holders = requiredBy(client, { typeUrl, name });
    assert.deepEqual(
      holders.map((holder) => holder.name),
      [],
      `${name} is removed while something needs it`,
    );
    const coming: ModelBody[] = unread.filter(({ requires }) =>
      requires.some((required) => required.typeUrl === typeUrl && required.name === name),
    );
    assert.deepEqual(
      coming.map((body) => body.name),
      [],
      `${name} is removed while something that needs it is on its way`,
    );
  }
}
