import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject, ObjectSource } from '../kube/index.ts';
import type { ObjectRef } from '../model/index.ts';
import { ObjectFollower } from './object-follower.ts';

/** A place where objects can be put, and a source that reads them from there. */
export interface ObjectPlace extends AsyncDisposable {
  readonly source: ObjectSource;
  /** Creates or replaces an object; `manifest` is as JSON has it, valid or not. */
  put(manifest: Manifest): Promise<void>;
  remove(ref: ObjectRef): Promise<void>;
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

function service(name: string, port: number): Manifest {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { ports: [{ port }] } };
}

function secret(name: string, value: string): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'default' }, data: { value: btoa(value) } };
}

function secretValueOf(object: KubeObject | undefined): string | undefined {
  return object?.kind === 'Secret' ? object.data['value']?.reveal() : undefined;
}

function ref(name: string): ObjectRef {
  return { kind: 'Service', namespace: 'default', name };
}

function portOf(object: KubeObject | undefined): number | undefined {
  return object?.kind === 'Service' ? object.spec.ports[0]?.port : undefined;
}

/** What every object source does, whatever it reads from. `open` gives a new, empty place each time. */
export function describeObjectSource(name: string, open: () => Promise<ObjectPlace>): void {
  describe(`${name} as an object source`, () => {
    test('the first batch is the first complete read', async () => {
      await using place = await open();
      for (const index of Array(50).keys()) await place.put(service(`s${index}`, 80));
      await using follower = await ObjectFollower.start(place.source);
      assert.equal(follower.batches[0]?.upserts.length, 50);
      assert.deepEqual(follower.batches[0]?.removals, []);
    });

    test('an empty place gives an empty first batch', async () => {
      await using place = await open();
      await using follower = await ObjectFollower.start(place.source);
      assert.deepEqual(follower.batches[0]?.upserts, []);
    });

    test('objects come, change and go', async () => {
      await using place = await open();
      await using follower = await ObjectFollower.start(place.source);
      await place.put(service('a', 80));
      await follower.until(() => portOf(follower.get('Service/default/a')) === 80);
      await place.put(service('a', 81));
      await follower.until(() => portOf(follower.get('Service/default/a')) === 81);
      await place.remove(ref('a'));
      await follower.until(() => follower.objects.size === 0);
    });

    test('an object that did not change is not in a batch again', async () => {
      await using place = await open();
      await place.put(service('same', 80));
      await using follower = await ObjectFollower.start(place.source);
      const same = follower.get('Service/default/same');
      await place.put(service('other', 80));
      await follower.until(() => follower.objects.size === 2);
      assert.equal(follower.get('Service/default/same'), same);
      assert.deepEqual(
        follower.batches.slice(1).flatMap(({ upserts }) => upserts.map((object) => object.metadata.name)),
        ['other'],
      );
    });

    test('kinds that nobody reads are left out without a word', async () => {
      await using place = await open();
      await place.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'default' }, data: {} });
      await using follower = await ObjectFollower.start(place.source);
      assert.deepEqual(follower.names, []);
      assert.deepEqual(follower.diagnostics, []);
    });

    test('changes that nobody takes become one batch', async () => {
      await using place = await open();
      const abort = new AbortController();
      const batches = place.source.watch(abort.signal)[Symbol.asyncIterator]();
      await batches.next();
      for (const index of Array(20).keys()) await place.put(service('busy', 100 + index));
      await place.put(service('last', 80));
      let count = 0;
      for (let seen = false; !seen; count++) {
        const { value } = await batches.next();
        seen = value?.upserts.some((object: KubeObject) => object.metadata.name === 'last') ?? true;
      }
      assert.ok(count <= 5, `${count} batches`);
      abort.abort();
      assert.equal((await batches.next()).done, true);
    });

    test('an abort ends a wait, and the source can be watched again', async () => {
      await using place = await open();
      await place.put(service('a', 80));
      {
        await using follower = await ObjectFollower.start(place.source);
        assert.deepEqual(follower.names, ['a']);
      }
      await using follower = await ObjectFollower.start(place.source);
      assert.deepEqual(follower.names, ['a']);
    });

    test('a Secret that is wanted comes, and changes', async () => {
      await using place = await open();
      await place.put(secret('wanted', 'first'));
      await using follower = await ObjectFollower.start(place.source);
      place.source.want(['default/wanted'], []);
      await follower.until(() => secretValueOf(follower.get('Secret/default/wanted')) === 'first');
      await place.put(secret('wanted', 'second'));
      await follower.until(() => secretValueOf(follower.get('Secret/default/wanted')) === 'second');
      await place.remove({ kind: 'Secret', namespace: 'default', name: 'wanted' });
      await follower.until(() => follower.get('Secret/default/wanted') === undefined);
    });

    test('it is known at once, or with a later batch, of all Secrets that are wanted if they exist', async () => {
      await using place = await open();
      await place.put(secret('there', 'value'));
      await using follower = await ObjectFollower.start(place.source);
      const isKnown = place.source.want(['default/there', 'default/missing'], []);
      await follower.until(() => isKnown || follower.batches.length > 1);
      assert.equal(secretValueOf(follower.get('Secret/default/there')), 'value');
      assert.equal(place.source.want(['default/there'], []), true);
    });

    test('times are those of the performance clock', async () => {
      await using place = await open();
      const before = performance.now();
      await using follower = await ObjectFollower.start(place.source);
      const timing = follower.batches[0]?.timing;
      assert.ok(timing && timing.seenAt >= before && timing.seenAt <= performance.now());
      assert.ok(timing.readMs >= 0);
    });
  });
}
