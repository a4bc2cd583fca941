import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, status } from '@grpc/grpc-js';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { FlowReporter } from '../../xds-server/relay/index.ts';
import { endCall, FLOWS_PATH, RpcServer } from '../../xds-server/serve/index.ts';
import { FLOW_INTAKE_METHODS, FlowIntake } from './flow-intake.ts';

/** An enforcer, and an agent that comes and goes. */
class Scene implements AsyncDisposable {
  readonly #folder = new TemporaryFolder();
  readonly path = this.#folder.join('agent.sock');
  readonly heard: number[] = [];
  cutOff = 0;
  readonly lost = { kernel: 0n, limit: 0n, enforcer: 0n };
  readonly intake = new FlowIntake({
    onEvents: (events) => this.heard.push(...events.map(({ localPort }) => localPort)),
    onLost: (where, count) => {
      this.lost[where] += count;
    },
    onCutOff: () => {
      this.cutOff += 1;
    },
  });
  readonly reporter: FlowReporter;
  readonly wanted: boolean[] = [];
  #rpc: RpcServer | undefined;

  constructor(capacity?: number) {
    const backOff = { firstMs: 10, maxMs: 50 };
    const upstream = { target: `unix:${this.path}`, credentials: credentials.createInsecure(), backOff };
    this.reporter = new FlowReporter({
      upstream,
      gatherMs: 1,
      ...(capacity !== undefined && { capacity }),
      onWanted: (is) => this.wanted.push(is),
    });
    this.reporter.start();
  }

  async startAgent(): Promise<void> {
    this.#rpc = new RpcServer();
    this.#rpc.add(FLOW_INTAKE_METHODS, this.intake);
    await this.#rpc.listen({ path: this.path });
  }

  /** One that remembers no flows. */
  async startDeafAgent(): Promise<void> {
    this.#rpc = new RpcServer();
    await this.#rpc.listen({ path: this.path });
  }

  /** One that cannot read what it is told. @returns how often it was told something */
  async startStrangeAgent(): Promise<() => number> {
    let refused = 0;
    this.#rpc = new RpcServer();
    this.#rpc.add(FLOW_INTAKE_METHODS, {
      serve: (call) => {
        call.on('data', () => {
          refused += 1;
          endCall(call, status.INVALID_ARGUMENT, 'what is this');
        });
      },
      endStreams: () => {},
    });
    await this.#rpc.listen({ path: this.path });
    return () => refused;
  }

  async stopAgent(): Promise<void> {
    await this.#rpc?.close(0);
    this.#rpc = undefined;
  }

  tell(from: number, to: number): void {
    for (let localPort = from; localPort < to; localPort++) this.reporter.add({ localPort });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reporter[Symbol.dispose]();
    await this.stopAgent();
    this.#folder[Symbol.dispose]();
  }
}

const NONE = { kernel: 0n, limit: 0n, enforcer: 0n };

const upTo = (count: number, from = 0) => Array.from({ length: count - from }, (_, index) => from + index);

describe('what an enforcer tells its agent of flows', () => {
  test('is heard in order, with what was lost before it came', async () => {
    await using scene = new Scene();
    await scene.startAgent();
    scene.tell(0, 3000);
    scene.reporter.loseInKernel(7n);
    scene.reporter.loseBeyondLimit(9n);
    await eventually(() => assert.equal(scene.heard.length, 3000));
    assert.deepEqual(scene.heard, upTo(3000));
    await eventually(() => assert.deepEqual(scene.lost, { kernel: 7n, limit: 9n, enforcer: 0n }));
  });

  test('waits for an agent that is away, and the oldest are lost for what there is no room for', async () => {
    await using scene = new Scene(100);
    scene.tell(0, 250);
    await sleep(20);
    scene.tell(250, 400);
    await scene.startAgent();
    await eventually(() => assert.equal(scene.heard.at(-1), 399));
    assert.equal(scene.heard.length + Number(scene.lost.enforcer), 400);
    assert.deepEqual(scene.heard.slice(-100), upTo(400, 300));
    assert.ok(scene.heard.length <= 200, 'what waits, and what was about to be told');
  });

  test('is taken once, and lost never, while agents come and go', async () => {
    await using scene = new Scene();
    let told = 0;
    for (let round = 0; round < 8; round++) {
      await scene.startAgent();
      for (let part = 0; part < 20; part++) {
        scene.tell(told, told + 100);
        told += 100;
        await sleep(1);
      }
      await scene.stopAgent();
    }
    await scene.startAgent();
    await eventually(() => assert.equal(scene.heard.length, told));
    assert.deepEqual(scene.heard, upTo(told));
    assert.deepEqual(scene.lost, NONE);
  });

  test('is nothing where it remembers none, until it does', async () => {
    await using scene = new Scene();
    scene.tell(0, 10);
    await scene.startDeafAgent();
    await eventually(() => assert.deepEqual(scene.wanted, [false]));
    scene.tell(10, 20);
    scene.reporter.loseInKernel(5n);
    scene.reporter.loseBeyondLimit(6n);
    await scene.stopAgent();
    await scene.startAgent();
    await eventually(() => assert.deepEqual(scene.wanted, [false, true]));
    scene.tell(20, 30);
    await eventually(() => assert.deepEqual(scene.heard, upTo(30, 20)));
    assert.deepEqual(scene.lost, NONE);
  });

  test('is lost where it cannot be read, and what comes then is told', async () => {
    await using scene = new Scene();
    const refused = await scene.startStrangeAgent();
    scene.tell(0, 10);
    await eventually(() => assert.ok(refused() >= 1));
    await scene.stopAgent();
    await scene.startAgent();
    scene.tell(10, 20);
    await eventually(() => assert.equal(scene.heard.at(-1), 19));
    await eventually(() => assert.equal(scene.heard.length + Number(scene.lost.enforcer), 20));
    assert.ok(scene.lost.enforcer >= 10n);
  });

  for (const [what, finishes, cutOff] of [
    ['and it is known that the one before had told all', true, 0],
    ['and it is known that the one before may have had more', false, 1],
  ] as const) {
    test(`by another process is told anew, ${what}`, async () => {
      await using scene = new Scene();
      await scene.startAgent();
      scene.tell(0, 1);
      await eventually(() => assert.deepEqual(scene.heard, [0]));
      if (finishes) await scene.reporter.finish(10_000);
      const upstream = { target: `unix:${scene.path}`, credentials: credentials.createInsecure() };
      using next = new FlowReporter({ upstream, gatherMs: 1 });
      next.start();
      next.add({ localPort: 1 });
      await eventually(() => assert.deepEqual(scene.heard, [0, 1]));
      assert.equal(scene.cutOff, cutOff);
    });
  }

  test('that is no batch is refused', async () => {
    await using scene = new Scene();
    await scene.startAgent();
    const client = new Client(`unix:${scene.path}`, credentials.createInsecure());
    const call = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
      FLOWS_PATH,
      (bytes) => Buffer.from(bytes),
      (bytes) => bytes,
    );
    call.on('error', () => {});
    const ended = new Promise<{ code: number }>((resolve) => call.on('status', resolve));
    call.write(Uint8Array.of(0xff));
    assert.equal((await ended).code, status.INVALID_ARGUMENT);
    client.close();
    assert.deepEqual(scene.heard, []);
  });
});
