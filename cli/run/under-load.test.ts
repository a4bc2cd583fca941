import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { statusSchema } from '../../controller/admin/status.ts';
import type { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { http1Client } from '../../testkit/load/clients.ts';
import { ingressManifest, secretManifest, serviceManifest } from '../../testkit/load/objects.ts';
import { Stage } from '../../testkit/load/stage.ts';
import { freePorts } from '../../testkit/ports.ts';
import { SluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

const HOST = 'web.test';
/** Metrics that are there once Envoy has answered something that was sent. */
const SENT = /^sluice_xds_(?:acks|nacks)_total\{/m;

describe('sluice run under load', needs('envoy'), () => {
  const folder = new TemporaryFolder();
  const manifests = folder.join('m');
  let [httpPort, httpsPort, adminPort] = [0, 0, 0];
  let stage: Stage;
  let backend: Backend;
  let command: SluiceCommand;

  async function admin(path: string): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${adminPort}${path}`)).text();
  }

  async function start(): Promise<SluiceCommand> {
    const ports = ['--http-port', `${httpPort}`, '--https-port', `${httpsPort}`, '--admin-port', `${adminPort}`];
    const started = new SluiceCommand(['run', '--manifests', manifests, '--state-dir', folder.join('s'), ...ports]);
    await started.untilSaid(/^ready /);
    return started;
  }

  before(async () => {
    mkdirSync(manifests);
    [httpPort = 0, httpsPort = 0, adminPort = 0] = await freePorts(3);
    stage = new Stage({ manifests, httpPort, httpsPort, requestsPerSecond: 300, certificates: { [HOST]: 1 } });
    backend = await stage.startBackend('web');
    const [made] = stage.certificates(HOST);
    assert.ok(made);
    stage
      .writer('web')
      .write(
        serviceManifest('web'),
        stage.sliceOf('web', backend),
        secretManifest('web', made.certificate, made.privateKey),
        ingressManifest(
          'web',
          { host: HOST, paths: [{ service: 'web' }], tls: 'web' },
          { host: 'plain.test', paths: [{ service: 'web' }] },
        ),
      );
    command = await start();
    stage.load.add(stage.target('http', 'plain.test', '/', 'web'), stage.target('https', HOST, '/', 'web'));
  });

  after(async () => {
    await command[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
    folder.dispose();
  });

  test('no request fails when Sluice is killed and starts again, and nothing is sent that Envoy has', async () => {
    const { load } = stage;
    assert.match(await admin('/metrics'), SENT);
    load.start();
    await eventually(() => assert.ok(load.sent > 300));
    command.signal('SIGKILL');
    await command.exited;
    const sentBefore = load.sent;
    await eventually(() => assert.ok(load.sent > sentBefore + 300));
    command = await start();
    assert.match(command.stderr, /adopted the running Envoy/);
    await eventually(() => assert.ok(load.sent > sentBefore + 900));
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.doesNotMatch(await admin('/metrics'), SENT);
  });

  test('an Envoy that is killed is started again, and serves', async () => {
    const pid = statusSchema.parse(JSON.parse(await admin('/status'))).envoy?.pid;
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    await command.untilSaid(/^envoy +pid \d+ ended/);
    const client = http1Client('anew', stage.trusted, { keepAlive: false });
    for (const target of [stage.target('http', 'plain.test', '/', 'web'), stage.target('https', HOST, '/', 'web')]) {
      const { status } = await eventually(async () => await client.send(target.address));
      assert.equal(status, 200);
    }
  });

  test('requests that are open when it is told to stop are answered', async () => {
    const client = http1Client('slow', stage.trusted, { keepAlive: true });
    const { address } = stage.target('http', 'plain.test', '/?delay=2000', 'web');
    const open = Promise.all(Array.from({ length: 20 }, async () => (await client.send(address)).status));
    const isOpen = ({ url }: { readonly url: string }) => url === address.path;
    await eventually(() => assert.equal(backend.received.filter(isOpen).length, 20));
    command.signal('SIGTERM');
    assert.deepEqual(new Set(await open), new Set([200]));
    assert.equal(await command.exited, 0);
    await assert.rejects(client.send(address));
  });
});
