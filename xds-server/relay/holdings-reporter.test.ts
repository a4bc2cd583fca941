import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { CLUSTER_TYPE, HOLDINGS_METHODS, type Holdings, LISTENER_TYPE, NodeHoldingReports, RpcServer } from '../serve/index.ts';
import { HoldingsReporter } from './holdings-reporter.ts';

type Table = Readonly<Record<string, string>>;

/** A controller that takes everybody for one node, which its listener is to tell otherwise. */
class Listening implements AsyncDisposable {
  /** Line by line. */
  readonly told: string[] = [];
  readonly reports: NodeHoldingReports;
  readonly #rpc = new RpcServer();

  constructor() {
    this.reports = new NodeHoldingReports({
      rpc: { release: () => {} },
      onReport: (node, report) => {
        if (!report) this.told.push(`${node} begins`);
        for (const [name, version] of report?.accepted ?? []) this.told.push(`+${name}@${version}`);
        for (const name of report?.gone ?? []) this.told.push(`-${name}`);
        for (const [name, { version, message }] of report?.refused ?? []) this.told.push(`!${name}@${version} ${message}`);
      },
      onOver: (node) => this.told.push(`${node} ends`),
    });
    this.#rpc.add(HOLDINGS_METHODS, {
      serve: (call, method) => this.reports.serve(call, method, 'n1'),
      endStreams: (code, details) => this.reports.endStreams(code, details),
    });
  }

  static async at(path: string, takes = true): Promise<Listening> {
    const listening = new Listening();
    listening.reports.take(takes);
    await listening.#rpc.listen({ path });
    return listening;
  }

  async hears(...expected: readonly string[]): Promise<void> {
    await eventually(() => assert.deepEqual(this.told, expected));
    this.told.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rpc.close();
  }
}

/** A node whose Envoy has clusters and refuses some. */
class Node implements Disposable {
  holdings: ReadonlyMap<string, Holdings> = new Map();
  readonly #reporter: HoldingsReporter;

  constructor(path: string) {
    const upstream = { target: `unix:${path}`, credentials: credentials.createInsecure(), backOff: { firstMs: 10, maxMs: 50 } };
    this.#reporter = new HoldingsReporter({ upstream, holdings: () => this.holdings, intervalMs: 10 });
  }

  has(accepted: Table, refused: Table = {}): void {
    const refusals = Object.entries(refused).map(([name, version]) => [name, { version, message: 'no' }] as const);
    const holdings = { accepted: new Map(Object.entries(accepted)), refused: new Map(refusals) };
    this.holdings = new Map([
      [CLUSTER_TYPE, holdings],
      [LISTENER_TYPE, { accepted: new Map(), refused: new Map() }],
    ]);
  }

  [Symbol.dispose](): void {
    this.#reporter[Symbol.dispose]();
  }
}

test('a controller is told what a node has, and then what changes', { timeout: 60_000 }, async () => {
  using folder = new TemporaryFolder();
  await using listening = await Listening.at(folder.join('socket'));
  using node = new Node(folder.join('socket'));
  node.has({ a: '1', b: '1' });
  await listening.hears('n1 begins', '+a@1', '+b@1');
  node.has({ a: '2', c: '1' });
  await listening.hears('+a@2', '+c@1', '-b');
  node.has({ a: '2', c: '1' }, { d: '1' });
  await listening.hears('!d@1 no');
  node.has({ a: '2', c: '1', d: '2' });
  await listening.hears('+d@2');
  node.has({});
  await listening.hears('n1 ends');
});

test('what is refused counts also where whoever sent it has taken it back, until something else is accepted', {
  timeout: 60_000,
}, async () => {
  using folder = new TemporaryFolder();
  await using listening = await Listening.at(folder.join('socket'));
  using node = new Node(folder.join('socket'));
  node.has({ a: '1' }, { a: '2' });
  await listening.hears('n1 begins', '+a@1', '!a@2 no');
  node.has({ a: '1', b: '1' });
  await listening.hears('+b@1', '!a@2 no');
  node.has({ a: '3', b: '1' });
  await listening.hears('+a@3');
});

test('what is refused of a version that is there counts while it is', { timeout: 60_000 }, async () => {
  using folder = new TemporaryFolder();
  await using listening = await Listening.at(folder.join('socket'));
  using node = new Node(folder.join('socket'));
  node.has({ a: '1' }, { a: '1' });
  await listening.hears('n1 begins', '+a@1', '!a@1 no');
  node.has({ a: '1', b: '1' });
  await listening.hears('+b@1');
});

test('whoever takes reports is looked for, and told everything, also when it starts anew', { timeout: 60_000 }, async () => {
  using folder = new TemporaryFolder();
  const path = folder.join('socket');
  using node = new Node(path);
  node.has({ a: '1' });
  {
    await using listening = await Listening.at(path, false);
    await new Promise((done) => setTimeout(done, 100));
    assert.deepEqual(listening.told, []);
    listening.reports.take(true);
    await listening.hears('n1 begins', '+a@1');
    listening.reports.take(false);
    await listening.hears('n1 ends');
    listening.reports.take(true);
    await listening.hears('n1 begins', '+a@1');
  }
  await using again = await Listening.at(path);
  await again.hears('n1 begins', '+a@1');
});
