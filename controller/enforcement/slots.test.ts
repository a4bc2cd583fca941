import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Secret } from '../../kube/index.ts';
import { httpSlot } from '../../l7-filters/envoy/testing/slots.ts';
import { viewOf } from '../../policy/testing/compile.ts';
import { eventually } from '../../testkit/eventually.ts';
import { withoutEnvoys } from '../../testkit/without-envoys.ts';
import type { ResourceChange } from '../../xds-server/serve/index.ts';
import { requirementsOfSlot, SlotResources } from './slots.ts';

const TOKEN = { kind: 'secret', namespace: 'default', name: 'token', key: '' } as const;
const PLAIN = httpSlot('plain', [{ path: '/a' }]);
const GUARDED = httpSlot('guarded', [{ path: '/a', headers: [{ name: 'x-token', value: TOKEN, mismatch: 'deny' }] }]);

function secret(data: Readonly<Record<string, string>>): Secret {
  const view = viewOf({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'token', namespace: 'default' }, stringData: data });
  assert.ok(view.kind === 'Secret');
  return view;
}

class Scene implements Disposable {
  readonly published: ResourceChange[] = [];
  readonly slots = new SlotResources({
    translation: withoutEnvoys.slots,
    publish: (change) => this.published.push(change),
    lingerMs: 1,
  });

  /** What was published since this was asked last: `+name` and `-name`, with the short name of the type. */
  takeWords(): string[] {
    const shortOf = (typeUrl: string) => typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
    const changes = this.published.splice(0);
    const set = changes.flatMap(({ upserts }) => upserts.map(({ typeUrl, name }) => `+${shortOf(typeUrl)} ${name}`));
    return [...set, ...changes.flatMap(({ removals }) => removals.map(({ typeUrl, name }) => `-${shortOf(typeUrl)} ${name}`))].sort();
  }

  [Symbol.dispose](): void {
    this.slots.close();
  }
}

describe('what becomes of slots', () => {
  test('Envoys have the clusters of all with the first, and the filters of each', () => {
    using scene = new Scene();
    const nodes = scene.slots.take([PLAIN], []);
    assert.deepEqual(
      nodes.upserts.map(({ name }) => name),
      ['http/ingress/plain'],
    );
    const [told] = nodes.upserts;
    assert.ok(told);
    assert.deepEqual(
      requirementsOfSlot(told)
        .map(({ name }) => name)
        .sort(),
      ['http/ingress/plain', 'sluice.original-dst.ingress.http'],
    );
    assert.deepEqual(scene.takeWords(), [
      '+Cluster sluice.original-dst.egress.http',
      '+Cluster sluice.original-dst.egress.tls',
      '+Cluster sluice.original-dst.ingress.http',
      '+Cluster sluice.original-dst.ingress.tls',
      '+Secret sluice.slot/http/ingress/plain',
      '+TypedExtensionConfig http/ingress/plain',
    ]);
    scene.slots.take([httpSlot('other', [{ path: '/b' }])], []);
    assert.deepEqual(scene.takeWords(), ['+Secret sluice.slot/http/ingress/other', '+TypedExtensionConfig http/ingress/other']);
  });

  test('filters outlive a slot for a while, and stay where it comes back', async () => {
    using scene = new Scene();
    scene.slots.take([PLAIN], []);
    scene.takeWords();
    assert.deepEqual(
      scene.slots.take([], [PLAIN.name]).removals.map(({ name }) => name),
      [PLAIN.name],
    );
    assert.deepEqual(scene.takeWords(), []);
    scene.slots.take([PLAIN], []);
    assert.ok(scene.takeWords().every((word) => word.startsWith('+')));
    scene.slots.take([], [PLAIN.name]);
    await eventually(() =>
      assert.deepEqual(scene.takeWords(), ['-Secret sluice.slot/http/ingress/plain', '-TypedExtensionConfig http/ingress/plain']),
    );
  });
});

describe('Secrets that rules name', () => {
  test('are needed from then on, and what names them waits until they were looked for', () => {
    using scene = new Scene();
    scene.slots.take([PLAIN, GUARDED], []);
    assert.ok(!scene.takeWords().some((word) => word.includes('guarded')));
    assert.deepEqual(scene.slots.secrets.takeNeeds(), { needed: ['default/token'], dropped: [] });
    assert.deepEqual(scene.slots.secrets.takeNeeds(), { needed: [], dropped: [] });
    scene.slots.settleSecrets();
    assert.deepEqual(scene.takeWords(), ['+Secret sluice.slot/http/ingress/guarded', '+TypedExtensionConfig http/ingress/guarded']);
    scene.slots.take([], [GUARDED.name]);
    assert.deepEqual(scene.slots.secrets.takeNeeds(), { needed: [], dropped: ['default/token'] });
  });

  test('change what names them, and nothing else', () => {
    using scene = new Scene();
    scene.slots.take([PLAIN, GUARDED], []);
    scene.slots.settleSecrets();
    scene.takeWords();
    scene.slots.secrets.put(secret({ token: 'one' }));
    scene.slots.settleSecrets();
    assert.deepEqual(scene.takeWords(), ['+Secret sluice.slot/http/ingress/guarded', '+TypedExtensionConfig http/ingress/guarded']);
    scene.slots.settleSecrets();
    assert.deepEqual(scene.takeWords(), []);
    scene.slots.secrets.delete({ kind: 'Secret', namespace: 'default', name: 'token' });
    scene.slots.settleSecrets();
    assert.equal(scene.takeWords().length, 2);
  });

  const DATA: readonly (readonly [about: string, data: Readonly<Record<string, string>>, key: string, value: string | undefined])[] = [
    ['the only value, without a key', { any: 'one' }, '', 'one'],
    ['nothing without a key, where there are several', { a: 'one', b: 'two' }, '', undefined],
    ['the value of a key', { a: 'one', b: 'two' }, 'b', 'two'],
    ['nothing for a key that is not there', { a: 'one' }, 'b', undefined],
    ['nothing where it is empty', {}, '', undefined],
  ];
  for (const [about, data, key, value] of DATA) {
    test(`stand for ${about}`, () => {
      using scene = new Scene();
      scene.slots.secrets.put(secret(data));
      const found = scene.slots.secrets.valueOf({ ...TOKEN, key });
      assert.equal(found && Buffer.from(found).toString(), value);
    });
  }
});
