import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AdminClient } from '../agent/index.ts';
import { needs } from '../testkit/capabilities.ts';
import { envoyBinary } from '../testkit/envoy-binary.ts';
import { eventually } from '../testkit/eventually.ts';
import { freePorts } from '../testkit/ports.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';

const SUPERVISOR = fileURLToPath(new URL('envoy-supervisor.sh', import.meta.url));
const MANAGER = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

// Restarts are tested beside agent/external-envoy.ts; what is here needs OpenBSD's netcat, which the set-up for the lab installs.
describe("Envoy's supervisor", needs('cluster', 'envoy'), () => {
  test('drains before it ends: refuses who is new, waits for who is served, and for nobody else', async () => {
    using folder = new TemporaryFolder();
    const [listenPort = 0, backendPort = 0] = await freePorts(2);
    const held: ServerResponse[] = [];
    const backend = createServer((_, response) => held.push(response)).listen(backendPort, '127.0.0.1');
    const bootstrap = describeEnvoy(folder.join('admin.sock'), listenPort, backendPort);
    const args = ['--config-path', folder.join('bootstrap.json'), '--disable-hot-restart', '--concurrency', '1', '--drain-time-s', '60'];
    writeFileSync(folder.join('envoy.args'), `${args.join('\n')}\n`);
    writeFileSync(folder.join('bootstrap.json'), JSON.stringify(bootstrap));
    const env = { ...process.env, SLUICE_RUN_DIR: folder.path, SLUICE_ENVOY: envoyBinary(), SLUICE_ENVOY_USER: `${process.getuid?.()}` };
    const supervisor = spawn('/bin/sh', [SUPERVISOR], { env, stdio: 'ignore' });
    const ended = once(supervisor, 'exit');
    const admin = new AdminClient(folder.join('admin.sock'));
    try {
      await eventually(async () => assert.equal(await admin.state(), 'LIVE'));
      await promisify(execFile)('/bin/sh', [SUPERVISOR, 'alive'], { env });
      const idle = connect(listenPort, '127.0.0.1').on('error', () => {});
      await once(idle, 'connect');
      const answer = fetch(`http://127.0.0.1:${listenPort}/`);
      await eventually(() => assert.equal(held.length, 1));

      supervisor.kill('SIGTERM');
      await eventually(() => assert.rejects(knock(listenPort), { code: 'ECONNREFUSED' }));
      assert.equal(await admin.state(), 'DRAINING');
      assert.equal(supervisor.exitCode, null);
      held[0]?.end('served');
      assert.equal(await (await answer).text(), 'served');
      // Long before the drain time is over, although a connection is open.
      assert.deepEqual(await ended, [0, null]);
      idle.destroy();
    } finally {
      supervisor.kill('SIGTERM');
      backend.closeAllConnections();
      backend.close();
      await ended;
    }
  });
});

/** Connects and leaves. */
async function knock(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

function describeEnvoy(adminSocket: string, listenPort: number, backendPort: number) {
  const at = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const manager = {
    '@type': MANAGER,
    stat_prefix: 'test',
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'backend', timeout: '0s' } }] }],
    },
    http_filters: [{ name: 'router', typed_config: { '@type': ROUTER } }],
  };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: at(backendPort) } }] }];
  return {
    admin: { address: { pipe: { path: adminSocket } } },
    static_resources: {
      listeners: [{ name: 'test', address: at(listenPort), filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }] }],
      clusters: [{ name: 'backend', type: 'STATIC', load_assignment: { cluster_name: 'backend', endpoints } }],
    },
  };
}
