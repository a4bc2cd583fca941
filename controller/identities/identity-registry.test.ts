import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ApplyAction, DeleteAction, SluiceIdentity } from '../../kube/index.ts';
import { FIRST_CLUSTER_IDENTITY, LAST_CLUSTER_IDENTITY, LOCAL_SCOPE } from '../../model/index.ts';
import { IdentityRegistry } from './identity-registry.ts';

const WEB = ['k8s:app=web'];
const API = ['k8s:app=api'];
const OFFICE = ['cidr:192.0.2.0/24', 'reserved:world-ipv4'];
const UNUSED_MS = 1_000;

function object(identity: number, labels: readonly string[]): SluiceIdentity {
  const metadata = { namespace: '', name: String(identity), uid: `uid-${identity}`, labels: {}, annotations: {} };
  return { apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceIdentity', metadata, spec: { labels: [...labels] } };
}

/** A registry, and a cluster that does what it wants. */
class Scene {
  now = 0;
  readonly objects = new Map<number, readonly string[]>();
  registry = this.#make();

  /** Another process, which finds the objects that are there. */
  restart(): void {
    this.registry = this.#make();
    for (const [identity, labels] of this.objects) this.registry.put(object(identity, labels));
  }

  write(...actions: readonly (ApplyAction | DeleteAction)[]): void {
    for (const action of actions) {
      const identity = Number(action.ref.name);
      if (action.kind === 'delete') {
        this.objects.delete(identity);
        this.registry.delete(identity);
      } else {
        const { labels } = action.manifest['spec'] as { readonly labels: readonly string[] };
        assert.ok(!this.objects.has(identity), `${identity} is taken`);
        this.objects.set(identity, labels);
        this.registry.put(object(identity, labels));
      }
    }
  }

  lead(): void {
    this.write(...this.registry.actions());
  }

  want(labels: readonly string[]): number | undefined {
    return this.registry.allocate(labels, labels === OFFICE ? 'local' : 'cluster');
  }

  release(labels: readonly string[]): void {
    this.registry.release(this.want(labels) ?? 0);
  }

  #make(): IdentityRegistry {
    return new IdentityRegistry({ now: () => this.now, unusedMs: UNUSED_MS });
  }
}

const told = (actions: readonly (ApplyAction | DeleteAction)[]) => actions.map(({ kind, ref }) => `${kind} ${ref.name}`);

describe('the registry of identities', () => {
  test('labels have no number until there is an object, and then that of the object', () => {
    const scene = new Scene();
    assert.equal(scene.want(WEB), undefined);
    assert.deepEqual(told(scene.registry.actions()), [`apply ${FIRST_CLUSTER_IDENTITY}`]);
    assert.deepEqual(told(scene.registry.actions()), [`apply ${FIRST_CLUSTER_IDENTITY}`], 'asked again, the same');
    scene.lead();
    assert.equal(scene.want(WEB), FIRST_CLUSTER_IDENTITY);
    assert.deepEqual(scene.registry.actions(), []);
  });

  test('addresses have numbers of the local scope', () => {
    const scene = new Scene();
    scene.want(OFFICE);
    scene.want(WEB);
    scene.lead();
    assert.equal(scene.want(OFFICE), LOCAL_SCOPE + 1);
    assert.equal(scene.want(WEB), FIRST_CLUSTER_IDENTITY);
  });

  test('numbers outlive the process, and are not given again soon', () => {
    const scene = new Scene();
    scene.want(WEB);
    scene.lead();
    scene.restart();
    scene.want(WEB);
    assert.equal(scene.want(WEB), FIRST_CLUSTER_IDENTITY);
    scene.release(WEB);
    scene.now += UNUSED_MS;
    scene.lead();
    assert.deepEqual([...scene.objects], []);
    scene.want(API);
    scene.lead();
    assert.equal(scene.want(API), FIRST_CLUSTER_IDENTITY + 1);
  });

  test('what nothing has goes after a while, unless something has it again', () => {
    const scene = new Scene();
    scene.want(WEB);
    scene.lead();
    scene.release(WEB);
    scene.now += UNUSED_MS - 1;
    assert.deepEqual(scene.registry.actions(), []);
    scene.want(WEB);
    scene.now += 1;
    assert.deepEqual(scene.registry.actions(), []);
    scene.release(WEB);
    scene.now += UNUSED_MS;
    assert.deepEqual(told(scene.registry.actions()), [`delete ${FIRST_CLUSTER_IDENTITY}`]);
  });

  test('of two numbers for the same labels the lower one counts for who has none yet, and both stay while they are borne', () => {
    const scene = new Scene();
    scene.registry.put(object(301, WEB));
    assert.equal(scene.want(WEB), 301);
    scene.registry.put(object(300, WEB));
    assert.equal(scene.want(WEB), 301);
    scene.now += 2 * UNUSED_MS;
    assert.deepEqual(scene.registry.actions(), []);
    scene.release(WEB);
    assert.equal(scene.want(WEB), 300);
    scene.release(WEB);
    scene.now += UNUSED_MS;
    assert.deepEqual(told(scene.registry.actions()).sort(), ['delete 300', 'delete 301']);
  });

  test('a number whose object somebody took away is made again for what bears it', () => {
    const scene = new Scene();
    scene.registry.put(object(300, WEB));
    assert.equal(scene.want(WEB), 300);
    scene.registry.delete(300);
    assert.equal(scene.want(WEB), 300);
    assert.deepEqual(told(scene.registry.actions()), ['apply 300']);
    scene.release(WEB);
    assert.deepEqual(scene.registry.actions(), []);
  });

  test('who lacks a number and does not ask again is given none', () => {
    const scene = new Scene();
    scene.want(WEB);
    scene.want(API);
    scene.registry.renounceLacking();
    scene.want(API);
    assert.deepEqual(told(scene.registry.actions()), ['apply 256']);
    scene.lead();
    assert.equal(scene.want(API), 256);
  });

  test('a number that another leader gave to something else is not asked for again', () => {
    const scene = new Scene();
    scene.want(WEB);
    assert.deepEqual(told(scene.registry.actions()), ['apply 256']);
    scene.registry.put(object(256, API));
    assert.deepEqual(told(scene.registry.actions()), ['apply 257']);
  });

  test('after the last number comes the first that is free, and none where all are taken', () => {
    const scene = new Scene();
    for (let identity = FIRST_CLUSTER_IDENTITY; identity <= LAST_CLUSTER_IDENTITY; identity++) {
      if (identity !== 300) scene.registry.put(object(identity, [`k8s:n=${identity}`]));
    }
    scene.want(WEB);
    scene.want(API);
    assert.deepEqual(told(scene.registry.actions()), ['apply 300']);
  });

  test('whatever happens in whatever order, labels that are wanted have one number each in the end', () => {
    const labels = fc.constantFrom(WEB, API, OFFICE, ['k8s:app=db'], ['k8s:app=mq']);
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('want', 'release'), labels }),
      fc.record({ kind: fc.constantFrom('lead', 'restart', 'wait'), labels }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const scene = new Scene();
        const wanted = new Map<string, readonly string[]>();
        for (const { kind, labels: of } of steps) {
          if (kind === 'want') wanted.set(of.join(), of);
          if (kind === 'release') wanted.delete(of.join());
          if (kind === 'want') scene.want(of);
          else if (kind === 'release') scene.release(of);
          else if (kind === 'lead') scene.lead();
          else if (kind === 'wait') scene.now += UNUSED_MS / 2;
          else {
            scene.restart();
            for (const each of wanted.values()) scene.want(each);
          }
        }
        scene.lead();
        const numbers = [...wanted.values()].map((each) => scene.want(each));
        assert.ok(numbers.every((number) => number !== undefined));
        assert.equal(new Set(numbers).size, numbers.length);
      }),
    );
  });
});
