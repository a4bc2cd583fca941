import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { freePorts } from '../../testkit/ports.ts';
import { runSluiceCommand, SluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

test('the demonstration does what it says', needs('envoy'), async () => {
  using folder = new TemporaryFolder();
  const [http = 0, https = 0, admin = 0] = await freePorts(3);
  await using command = new SluiceCommand([
    ...['demo', '--state-dir', folder.path, '--admin-port', `${admin}`],
    ...['--http-port', `${http}`, '--https-port', `${https}`],
  ]);
  await command.untilSaid(/^ready /);
  await eventually(() => assert.match(command.stdout, /Ctrl-C ends it/));

  const authority = /--cacert (\S+)/.exec(command.stdout)?.[1] ?? '';
  const ask = async (path: string): Promise<string> => {
    const options = { host: '127.0.0.1', port: https, path, servername: 'shop.localhost', ca: readFileSync(authority), agent: false };
    const sent = request({ ...options, headers: { host: 'shop.localhost' } }).end();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('error', reject).on('response', (message) => resolve(message));
    });
    return `${response.statusCode} ${await text(response)}`;
  };
  assert.match(await ask('/'), /^200 Hello from the web backend: GET \/ /);
  assert.match(await ask('/api/orders'), /^200 \{"backend":"api","path":"\/api\/orders"/);

  const [, explain = ''] = /npx sluice (explain .+)/.exec(command.stdout) ?? [];
  const explained = await runSluiceCommand(explain.split(' '));
  assert.match(explained.stdout, /cluster {6}default:api:80/);

  const shop = /sed -i '[^']+' (\S+)/.exec(command.stdout)?.[1] ?? '';
  writeFileSync(shop, readFileSync(shop, 'utf8').replace('path: /api', 'path: /v2'));
  await eventually(async () => assert.match(await ask('/v2/orders'), /^200 \{"backend":"api"/));
  assert.match(await ask('/api/orders'), /^200 Hello from the web backend/);

  assert.equal(statSync(folder.join('manifests', 'shop-tls.yaml')).mode & 0o777, 0o600);

  command.signal('SIGINT');
  assert.equal(await command.exited, 0, command.stderr);
});
