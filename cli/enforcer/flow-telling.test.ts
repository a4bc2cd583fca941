import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { NodeFlows } from '../../agent/index.ts';
import type { FlowEvent, MonitorLevel } from '../../bpf/datapath/index.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { RpcServer, SnapshotCache } from '../../xds-server/serve/index.ts';
import { FlowTelling } from './flow-telling.ts';

const BEGUN: FlowEvent = {
  ...{ kind: 'begun', time: 1n, ifindex: 1, subject: 300, peer: 301, direction: 'ingress', outcome: 'passed-allowed', protocol: 6 },
  ...{
    localAddress: '10.0.0.1',
    localPort: 80,
    remoteAddress: '10.0.0.2',
    remotePort: 40_000,
    slot: 0,
    packets: 1n,
    bytes: 0n,
  },
};

/** A kernel that tells what it is given, and what waits also once nobody listens. */
class Kernel {
  readonly levels: MonitorLevel[] = [];
  lost = 0n;
  beyondLimit = 0n;
  readonly #waiting: FlowEvent[] = [];
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  setMonitor(level: MonitorLevel): void {
    this.levels.push(level);
  }

  tell(...events: readonly FlowEvent[]): void {
    this.#waiting.push(...events);
    this.#wake.resolve();
  }

  flows() {
    return this;
  }

  async next(): Promise<IteratorResult<FlowEvent>> {
    while (this.#waiting.length === 0 && !this.#isOver) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
    const value = this.#waiting.shift();
    return value ? { done: false, value } : { done: true, value: undefined };
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#wake.resolve();
  }
}

class Scene implements AsyncDisposable {
  readonly #cleanUp = new AsyncDisposableStack();
  readonly kernel = new Kernel();
  readonly failures: string[] = [];
  readonly flows = this.#cleanUp.use(new NodeFlows({ node: 'n1', version: '1', capacity: 4_096, cache: new SnapshotCache() }));
  readonly path = this.#cleanUp.use(new TemporaryFolder()).join('agent.sock');

  async startAgent(): Promise<void> {
    const rpc = new RpcServer();
    this.#cleanUp.defer(() => rpc.close(0));
    this.flows.hear(rpc);
    await rpc.listen({ path: this.path });
  }

  startTelling(): FlowTelling {
    return new FlowTelling({
      source: this.kernel,
      upstream: { target: `unix:${this.path}`, credentials: credentials.createInsecure(), backOff: { firstMs: 10, maxMs: 20 } },
      lastWordsMs: 30_000,
      onFailure: ({ message }) => this.failures.push(message),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanUp.disposeAsync();
  }
}

describe('an enforcer tells its agent', () => {
  test('all that it has heard and lost before it ends, and then has the kernel tell of nothing', async () => {
    await using scene = new Scene();
    await scene.startAgent();
    const telling = scene.startTelling();
    scene.kernel.tell(...Array.from({ length: 3_000 }, () => BEGUN));
    scene.kernel.lost = 7n;
    scene.kernel.beyondLimit = 9n;
    await telling[Symbol.asyncDispose]();
    const { seen, lost } = scene.flows.state();
    assert.deepEqual([seen, lost.kernel, lost.limit, lost.enforcer], [3_000, 7, 9, 0]);
    assert.deepEqual(scene.kernel.levels, ['connections', 'nothing']);
  });

  test('each second of how many drops the kernel did not tell', async () => {
    await using scene = new Scene();
    await scene.startAgent();
    await using _telling = scene.startTelling();
    for (const beyondLimit of [9n, 12n]) {
      scene.kernel.beyondLimit = beyondLimit;
      await eventually(() => assert.equal(scene.flows.state().lost.limit, Number(beyondLimit)));
    }
  });

  test('that an event was lost that it failed over, and goes on', async () => {
    await using scene = new Scene();
    await scene.startAgent();
    await using _telling = scene.startTelling();
    scene.kernel.tell(BEGUN, { ...BEGUN, remoteAddress: 'nowhere' }, BEGUN);
    await eventually(() => assert.deepEqual([scene.flows.ring.seen, scene.flows.state().lost.enforcer], [2, 1]));
    assert.equal(scene.failures.length, 1);
  });

  test('nothing where it is away, and ends all the same', async () => {
    await using scene = new Scene();
    const telling = scene.startTelling();
    scene.kernel.tell(BEGUN);
    await telling[Symbol.asyncDispose]();
    assert.equal(scene.flows.ring.seen, 0);
  });
});
