import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type Server } from 'node:net';
import { test } from 'node:test';
import { issueWithKey, makeAuthority, servingNodeProfile } from '../pki/index.ts';
import { eventually } from '../testkit/eventually.ts';
import { MutualTlsCredentials } from '../xds-server/serve/index.ts';
import { enforcerPages, openMetrics } from './open-metrics.ts';
import { SideTasks } from './side-tasks.ts';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

test('a port that is taken is told of once and waited for, and nothing listens before there are credentials or after the end', async () => {
  const other = createTcpServer();
  const port = await listening(other);
  const authority = await makeAuthority();
  const own = await issueWithKey(authority, servingNodeProfile('n1'));
  const made = new MutualTlsCredentials({ ...own, authorities: authority.certificate });
  const first = Promise.withResolvers<MutualTlsCredentials>();
  let tries = 0;
  const credentials = () => {
    tries++;
    return first.promise;
  };
  const said: string[] = [];
  const log = ({ text }: { readonly text: string }) => void said.push(text);
  const address = { host: '127.0.0.1', port };
  const telling = openMetrics({ address, credentials, clients: [], pages: {}, tasks: new SideTasks({ log, retryMs: 5 }), log });
  first.resolve(made);
  await eventually(() => assert.ok(tries > 3));
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /^metrics for others: .*EADDRINUSE.*; trying again, all else goes on$/);
  await new Promise((resolve) => other.close(resolve));
  const begun = [`told at 127.0.0.1, port ${port}, by mutual TLS`, 'metrics for others: begun after all'];
  await eventually(() => assert.deepEqual(said.slice(1), begun));
  await telling?.[Symbol.asyncDispose]();
  assert.equal(await isOpen(port), false);
});

test('who stops does not wait for credentials', async () => {
  const credentials = () => new Promise<MutualTlsCredentials>(() => {});
  const [address, tasks] = [{ host: '127.0.0.1', port: 0 }, new SideTasks({ log: () => {} })];
  await openMetrics({ address, credentials, clients: [], pages: {}, tasks, log: () => assert.fail() })?.[Symbol.asyncDispose]();
});

test('what the enforcer measures is what its admin endpoint says, and fails where it does not', async () => {
  let status = 200;
  const enforcer = createServer(({ url }, response) => void response.writeHead(status).end(`${url} 1\n`));
  const read = enforcerPages(await listening(enforcer))['/metrics/enforcer'];
  assert.ok(read);
  assert.equal(await read(), '/metrics 1\n');
  status = 500;
  await assert.rejects(read(), /the enforcer answers 500/);
  enforcer.closeAllConnections();
  await new Promise((resolve) => enforcer.close(resolve));
  await assert.rejects(read(), /fetch failed/);
});
