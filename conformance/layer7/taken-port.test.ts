import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { clientAndWeb } from './client-and-web.ts';
import { wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';

const POLICY = ciliumPolicy({
  name: 'web',
  app: 'web',
  ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ path: '/public' }])] }],
});
/** Listens at all addresses of both families, and answers each connection with its name. */
const STRANGER = `
  const server = require('node:net').createServer((socket) => socket.resume().end('a stranger'));
  server.listen(Number(process.argv[1]), '::', () => console.log('listens'));
`;

describe('a port of a slot that somebody else took while no Envoy listened', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const scene = clientAndWeb(POLICY);

  const ask = async (path: string) => wordOf(await scene().ask({ path }));
  const ports = (): readonly number[] => {
    const { ports } = JSON.parse(readFileSync(join(scene().lab.folderOf('node-1'), 'state', 'proxy-ports.json'), 'utf8'));
    return Object.values(ports);
  };
  const isInForce = () =>
    eventually(async () => {
      assert.equal(await ask('/public'), '200');
      assert.equal(await ask('/private'), '403');
    });

  test('is left to him: the slot has another, and works', async () => {
    const { lab } = scene();
    await isInForce();
    const [taken] = ports();
    assert.ok(taken);
    await lab.sluices.get('node-1')?.stop();
    const node = lab.lab.node('node-1');
    const stranger = node.spawn([process.execPath, '-e', STRANGER, String(taken)], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (stranger.stdout) await once(stranger.stdout, 'data');
    await lab.startSluice('node-1');
    await isInForce();
    const [now] = ports();
    assert.notEqual(now, taken);
    assert.equal(await node.run(['curl', '-s', '--http0.9', `http://127.0.0.1:${taken}/`]), 'a stranger');
  });
});
