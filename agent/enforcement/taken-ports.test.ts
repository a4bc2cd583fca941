import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TakenAddress, TakenService } from '../../bpf/datapath/index.ts';
import { TakenPorts } from './taken-ports.ts';

const [SLOT, OTHER] = ['service/a', 'service/b'];
const HTTP = 'default/web:80/TCP';
const ADDRESSES = ['10.96.0.1', 'fd00:96::1'];

class Scene {
  /** As the kernel has it. */
  table: readonly TakenService[];
  writes = 0;
  frontends: Readonly<Record<string, readonly string[]>> = { [HTTP]: ADDRESSES };
  readonly taken: TakenPorts;

  constructor(found: readonly TakenAddress[] = []) {
    this.table = found.map(({ address, port, listener, ready }) => ({ frontends: [{ address, port }], port: listener, ready }));
    const scene = this;
    this.taken = new TakenPorts({
      table: {
        *entries() {
          yield* found;
        },
        async set(services) {
          scene.writes += 1;
          scene.table = [...services];
        },
      },
      frontendsOf: (port) => (this.frontends[port] ?? []).map((address) => ({ address, port: 80 })),
    });
  }

  async name(slot: string | undefined): Promise<void> {
    this.taken.setTakers('default/web', new Map(slot === undefined ? [] : [[80, slot]]));
    await this.taken.settle();
  }

  async redirect(slot: string, port: number | undefined, ready = true): Promise<void> {
    if (port === undefined) this.taken.removeRedirects([slot]);
    else this.taken.setRedirects([{ slot, port, ready }]);
    await this.taken.settle();
  }

  get said(): readonly string[] {
    return this.table
      .flatMap(({ frontends, port, ready }) => frontends.map(({ address }) => `${address} ${port}${ready ? '' : ' away'}`))
      .sort();
  }
}

const led = (end: string) => ADDRESSES.map((address) => `${address} ${end}`);
const found = (ready = true): readonly TakenAddress[] =>
  ADDRESSES.map((address) => ({ address, port: 80, fromOutside: false, listener: 10_000, ready }));

describe('ports of Services that listeners take', () => {
  test('are not led there before the listener is', async () => {
    const scene = new Scene();
    await scene.name(SLOT);
    await scene.redirect(SLOT, 10_000, false);
    assert.deepEqual(scene.said, []);
    await scene.redirect(SLOT, 10_000);
    assert.deepEqual(scene.said, led('10000'));
  });

  test('are written when something changes, and only then', async () => {
    const scene = new Scene();
    await scene.taken.settle();
    await scene.name(SLOT);
    assert.equal(scene.writes, 0);
    await scene.redirect(SLOT, 10_000);
    await scene.redirect(SLOT, 10_000);
    await scene.redirect(OTHER, 10_001);
    assert.equal(scene.writes, 1);
    scene.frontends = { [HTTP]: ['10.96.0.2'] };
    await scene.taken.settle();
    assert.deepEqual(scene.said, ['10.96.0.2 10000']);
  });

  test('stay led there when the listener is gone, to nobody else who has its port', async () => {
    const scene = new Scene();
    await scene.redirect(SLOT, 10_000);
    await scene.name(SLOT);
    await scene.redirect(SLOT, undefined);
    assert.deepEqual(scene.said, led('10000'));
    await scene.redirect(SLOT, 10_001, false);
    assert.deepEqual(scene.said, led('10001 away'));
    await scene.redirect(SLOT, 10_001);
    assert.deepEqual(scene.said, led('10001'));
  });

  test('are let go when the Service names no slot any more', async () => {
    const scene = new Scene();
    await scene.redirect(SLOT, 10_000);
    await scene.name(SLOT);
    await scene.name(undefined);
    assert.deepEqual(scene.said, []);
  });

  test('are let go where the node is not to have the listener any more, and when a process before led them there', async () => {
    for (const scene of [new Scene(), new Scene(found())]) {
      await scene.name(SLOT);
      await scene.redirect(SLOT, 10_000);
      assert.deepEqual(scene.said, led('10000'));
      scene.taken.setElsewhere([SLOT]);
      await scene.taken.retainTold();
      assert.deepEqual(scene.said, []);
      await scene.redirect(SLOT, undefined);
      assert.deepEqual(scene.said, []);
      scene.taken.setElsewhere([OTHER]);
      await scene.taken.settle();
      assert.deepEqual(scene.said, [], 'the listener is not there yet');
      await scene.redirect(SLOT, 10_001);
      assert.deepEqual(scene.said, led('10001'));
    }
  });

  test('are given to another listener once that is there, and to nobody once the one before is gone', async () => {
    const scene = new Scene();
    await scene.redirect(SLOT, 10_000);
    await scene.name(SLOT);
    await scene.redirect(OTHER, 10_001, false);
    await scene.name(OTHER);
    assert.deepEqual(scene.said, led('10000'));
    await scene.redirect(SLOT, undefined);
    assert.deepEqual(scene.said, led('10001 away'));
    await scene.redirect(OTHER, 10_001);
    assert.deepEqual(scene.said, led('10001'));
  });

  test('are as a process before left them, until it is known that they are others', async () => {
    const scene = new Scene(found());
    await scene.taken.settle();
    assert.deepEqual(scene.said, led('10000'));
    assert.equal(scene.writes, 0);
    await scene.name(SLOT);
    await scene.taken.retainTold();
    assert.deepEqual(scene.said, led('10000'), 'nobody has said anything of the listener yet');
    await scene.redirect(SLOT, 10_000, false);
    assert.deepEqual(scene.said, led('10000'), 'Envoy went on');
    await scene.redirect(SLOT, 10_000);
    assert.deepEqual(scene.said, led('10000'));
  });

  test('are let go after a start where they are nobody’s any more', async () => {
    const scene = new Scene(found());
    await scene.name(undefined);
    assert.deepEqual(scene.said, led('10000'));
    await scene.taken.retainTold();
    assert.deepEqual(scene.said, []);
  });

  test('are tried again where the kernel did not take them', async () => {
    const scene = new Scene();
    let isFull = true;
    const taken = new TakenPorts({
      table: {
        *entries() {},
        async set(services) {
          if (isFull) throw new Error('full');
          scene.table = [...services];
        },
      },
      frontendsOf: () => [{ address: '10.96.0.1', port: 80 }],
    });
    taken.setTakers('default/web', new Map([[80, SLOT]]));
    taken.setRedirects([{ slot: SLOT, port: 10_000, ready: true }]);
    await assert.rejects(taken.settle(), /full/);
    isFull = false;
    await taken.settle();
    assert.deepEqual(scene.said, ['10.96.0.1 10000']);
  });
});
