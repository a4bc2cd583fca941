import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { NodeReports, REPORT_METHODS, RpcServer } from '../serve/index.ts';
import { NodeReporter } from './node-reporter.ts';

/** A controller that takes everybody for one node, which its listener is to tell otherwise. */
class Listening implements AsyncDisposable {
  readonly told: [node: string, refused: Record<string, string>][] = [];
  readonly #rpc = new RpcServer();
  reports: NodeReports | undefined;

  static async at(path: string, takes = true): Promise<Listening> {
    const listening = new Listening();
    const reports = new NodeReports({
      rpc: { release: () => {} },
      onReport: (node, refused) => listening.told.push([node, Object.fromEntries(refused)]),
    });
    reports.take(takes);
    listening.reports = reports;
    listening.#rpc.add(REPORT_METHODS, {
      serve: (call, method) => reports.serve(call, method, 'n1'),
      endStreams: (code, details) => reports.endStreams(code, details),
    });
    await listening.#rpc.listen({ path });
    return listening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rpc.close();
  }
}

test('a controller is told what is refused, as it changes and ends, and also one that starts anew', { timeout: 60_000 }, async () => {
  using folder = new TemporaryFolder();
  const path = folder.join('socket');
  const upstream = { target: `unix:${path}`, credentials: credentials.createInsecure(), backOff: { firstMs: 10, maxMs: 50 } };
  using reporter = new NodeReporter(upstream);
  const first = { a: 'no', b: 'neither' };
  const last = (listening: Listening, expected: Record<string, string>) =>
    eventually(() => assert.deepEqual(listening.told.at(-1), ['n1', expected]));
  {
    await using listening = await Listening.at(path);
    reporter.tell(new Map(Object.entries(first)));
    await last(listening, first);
    reporter.tell(new Map([['a', 'no']]));
    await last(listening, { a: 'no' });
  }
  await using again = await Listening.at(path);
  await last(again, { a: 'no' });
  reporter.tell(new Map());
  await last(again, {});
  reporter.tell(new Map([['c', 'no']]));
  await last(again, { c: 'no' });
  again.reports?.take(false);
  await last(again, {});
  again.reports?.take(true);
  await last(again, { c: 'no' });
});
