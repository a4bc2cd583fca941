import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { test } from 'node:test';
import { envoyTypesVersion } from '@sluice/envoy-protos/version.js';
import { Backend } from '../testkit/backend.ts';
import { freePort } from '../testkit/ports.ts';
import { ProxiedEnvoy } from '../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { AdminClient } from './index.ts';

test('what a running Envoy tells', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const listenPort = await freePort();
  await using proxied = await ProxiedEnvoy.start({ statePath: folder.join('state'), listenPort, backendPort: backend.port });
  const { admin } = proxied.envoy;

  const info = await admin.serverInfo();
  assert.ok(info.uptimeSeconds >= 0);
  assert.deepEqual(info, { version: envoyTypesVersion(), state: 'LIVE', uptimeSeconds: info.uptimeSeconds, workers: 1 });

  for (let count = 0; count < 3; count += 1) await (await fetch(`http://127.0.0.1:${listenPort}/`)).text();
  const counters = await admin.stats({ filter: '^http\\.test\\.downstream_rq_(total|2xx|5xx)$', type: 'Counters' });
  assert.deepEqual(Object.fromEntries(counters), { 'http.test.downstream_rq_total': 3, 'http.test.downstream_rq_2xx': 3 });
  assert.match(await admin.prometheusStats(), /^envoy_cluster_upstream_rq_total\{envoy_cluster_name="backend"\} 3$/m);

  await admin.failHealthChecks();
  assert.equal(await admin.state(), 'DRAINING');
  await proxied.envoy.stop({ drainMs: 0 });
  await assert.rejects(admin.state(), { name: 'EnvoyError', code: 'admin-unreachable', message: /admin\.sock does not answer/ });
});

const ANSWERS: readonly { readonly title: string; readonly answer: RequestListener; readonly code: string; readonly message: RegExp }[] = [
  { title: 'none', answer: () => {}, code: 'admin-unreachable', message: /does not answer/ },
  { title: 'half of one', answer: (_, response) => response.write('{"stats":['), code: 'admin-unreachable', message: /does not answer/ },
  {
    title: 'another status',
    answer: (_, response) => response.writeHead(404).end('what?'),
    code: 'admin-refused',
    message: /"404 what\?"/,
  },
  { title: 'no JSON', answer: (_, response) => response.end('OK'), code: 'admin-refused', message: /cannot be read/ },
  { title: 'other JSON', answer: (_, response) => response.end('{}'), code: 'admin-refused', message: /cannot be read/ },
];

for (const { title, answer, code, message } of ANSWERS) {
  test(`an answer that is not Envoy's: ${title}`, async () => {
    using folder = new TemporaryFolder();
    const server = createServer(answer).listen(folder.join('admin.sock'));
    await once(server, 'listening');
    const client = new AdminClient(folder.join('admin.sock'), { timeoutMs: 500 });
    await assert.rejects(client.stats(), { name: 'EnvoyError', code, message });
    server.closeAllConnections();
    server.close();
  });
}
