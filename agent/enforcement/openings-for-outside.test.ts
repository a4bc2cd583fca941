import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpeningsForOutside } from './openings-for-outside.ts';

/** As the kernel names a socket: its cookie is at the end. */
function idOf(cookie: number): Uint8Array {
  const id = new Uint8Array(48);
  new DataView(id.buffer).setBigUint64(40, BigInt(cookie), true);
  return id;
}

class Scene {
  stale: readonly number[] = [];
  failure: string | undefined;
  lists = 0;
  readonly failures: string[] = [];
  readonly open = new Set([1, 2, 0x1_0000_0003]);
  readonly openings = new OpeningsForOutside({
    datapath: {
      staleOpenings: () => {
        if (this.failure !== undefined) throw new Error(this.failure);
        return new Set(this.stale.map(BigInt));
      },
    },
    connections: {
      list: ({ mark, mask }) => {
        this.lists += 1;
        assert.deepEqual([mark, mask], [0xd08, 0xf0a]);
        const ends = { source: '10.0.0.2', sourcePort: 40_000, destination: '10.0.0.3', destinationPort: 80 };
        return [...this.open].map((cookie) => ({ family: 'ipv4', ...ends, mark: 0xd08, id: idOf(cookie) }));
      },
      destroy: ({ id }) => this.open.delete(Number(new DataView(id.buffer).getBigUint64(40, true))),
    },
    onFailure: ({ message }) => this.failures.push(message),
  });
}

test('what Envoy opened for clients outside of the node ends where the kernel says so', () => {
  const scene = new Scene();
  scene.openings.review();
  assert.equal(scene.lists, 0, 'nobody looks for nothing');
  scene.stale = [2, 0x1_0000_0003, 7];
  scene.openings.review();
  assert.deepEqual([...scene.open], [1]);
});

test('what could not be looked for is told of once', () => {
  const scene = new Scene();
  scene.failure = 'not now';
  for (let time = 0; time < 2; time += 1) scene.openings.review();
  assert.deepEqual(scene.failures, ['not now']);
});
