import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ObjectCache } from './object-cache.ts';
import { readRawObject } from './raw-object.ts';

const SECRET_VALUE = 's3cret-value';

const service = (uid: string, port: number, more: object = {}) =>
  readRawObject({ metadata: { name: 'a', namespace: 'default', uid, ...more }, spec: { ports: [{ port }] } });
const secret = (value: unknown) => readRawObject({ metadata: { name: 'a', namespace: 'default', uid: '1' }, data: { value } });

describe('what is known of an API server', () => {
  test('what changes nowhere where it is read is no change', () => {
    const cache = new ObjectCache();
    cache.put('Service', 'v1', service('1', 80));
    assert.equal(cache.take(false, [])?.upserts.length, 1);
    cache.put('Service', 'v1', service('1', 80, { resourceVersion: '7', managedFields: [{ manager: 'x' }] }));
    assert.equal(cache.take(false, []), undefined);
    cache.put('Service', 'v1', service('1', 81));
    assert.equal(cache.take(false, [])?.upserts.length, 1);
  });

  test('the values of a Secret, which hide from comparisons, are a change', () => {
    const cache = new ObjectCache();
    cache.put('Secret', 'v1', secret(btoa('one')));
    cache.take(false, []);
    cache.put('Secret', 'v1', secret(btoa('two')));
    const upsert = cache.take(false, [])?.upserts[0];
    assert.ok(upsert?.kind === 'Secret');
    assert.equal(upsert.data['value']?.reveal(), 'two');
  });

  test('an object that becomes wrong keeps its last content, but not that of another object of its name', () => {
    const cache = new ObjectCache();
    cache.put('Service', 'v1', service('1', 80));
    cache.take(false, []);
    cache.put('Service', 'v1', service('1', 100_000));
    const wrong = cache.take(false, []);
    assert.deepEqual([wrong?.upserts, wrong?.removals], [[], []]);
    assert.deepEqual(wrong?.diagnostics.map(({ code }) => code).sort(), ['InvalidObject', 'LastGoodKept']);
    cache.put('Service', 'v1', service('2', 100_000));
    const other = cache.take(false, []);
    assert.deepEqual(other?.removals, [{ kind: 'Service', namespace: 'default', name: 'a' }]);
    assert.deepEqual(
      other?.diagnostics.map(({ code }) => code),
      ['InvalidObject'],
    );
    cache.put('Service', 'v1', service('2', 80));
    assert.deepEqual(cache.take(false, [])?.diagnostics, []);
  });

  test('nothing of a wrong Secret is told', () => {
    const cache = new ObjectCache();
    cache.put('Secret', 'v1', secret(SECRET_VALUE));
    const { diagnostics = [] } = cache.take(false, []) ?? {};
    assert.equal(diagnostics.length, 1);
    assert.doesNotMatch(JSON.stringify(diagnostics), new RegExp(SECRET_VALUE));
  });

  test('what came and went in between is not told', () => {
    const cache = new ObjectCache();
    cache.put('Service', 'v1', service('1', 80));
    cache.remove({ kind: 'Service', namespace: 'default', name: 'a' });
    assert.equal(cache.take(false, []), undefined);
  });

  test('other diagnostics are told when they come and when they go', () => {
    const cache = new ObjectCache();
    const extra = [{ severity: 'error', code: 'KindUnreadable', message: 'why', path: [] }] as const;
    assert.deepEqual(cache.take(false, extra)?.diagnostics, extra);
    assert.equal(cache.take(false, [...extra]), undefined);
    assert.deepEqual(cache.take(false, [])?.diagnostics, []);
  });
});
