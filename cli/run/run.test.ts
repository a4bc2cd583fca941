import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { freePorts } from '../../testkit/ports.ts';
import { type CommandResult, runSluiceCommand, SluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

const HOST = 'shop.test';
const { certificate, privateKey } = makeCertificate({ commonName: HOST, names: [HOST] });
const KEY_LINE = privateKey.split('\n')[1] ?? '';

function ingress(service: string): string {
  const backend = { service: { name: service, port: { number: 80 } } };
  return JSON.stringify({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'shop' },
    spec: {
      ingressClassName: 'cilium',
      tls: [{ hosts: [HOST], secretName: 'shop' }],
      rules: [{ host: HOST, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  });
}

function service(name: string, port: number): string {
  const objects = [
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port }],
      endpoints: [{ addresses: ['127.0.0.1'] }],
    },
  ];
  return objects.map((object) => JSON.stringify(object)).join('\n---\n');
}

const SECRET = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/tls',
  metadata: { name: 'shop' },
  stringData: { 'tls.crt': certificate, 'tls.key': privateKey },
});

describe('sluice run', needs('envoy'), () => {
  const folder = new TemporaryFolder();
  const manifests = folder.join('m');
  let backends: Backend[] = [];
  let [httpPort, httpsPort, adminPort] = [0, 0, 0];
  let command: SluiceCommand;

  function start(stateDir: string, ...more: string[]): SluiceCommand {
    const ports = ['--http-port', `${httpPort}`, '--https-port', `${httpsPort}`, '--admin-port', `${adminPort}`];
    return new SluiceCommand(['run', '--manifests', manifests, '--state-dir', folder.join(stateDir), ...ports, ...more]);
  }

  async function finish(running: SluiceCommand): Promise<CommandResult> {
    return { code: await running.exited, stdout: running.stdout, stderr: running.stderr };
  }

  /** The name of the backend that answers over TLS. */
  async function whoAnswers(path = '/'): Promise<string | undefined> {
    const request = httpsRequest({
      host: '127.0.0.1',
      port: httpsPort,
      path,
      servername: HOST,
      ca: certificate,
      headers: { host: HOST },
      agent: false,
    });
    request.end();
    const [response] = await once(request, 'response');
    await text(response);
    return response.headers['x-backend'];
  }

  async function admin(path: string): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${adminPort}${path}`)).text();
  }

  before(async () => {
    backends = await Promise.all([Backend.start({ name: 'a' }), Backend.start({ name: 'b' })]);
    [httpPort = 0, httpsPort = 0, adminPort = 0] = await freePorts(3);
    mkdirSync(manifests);
    for (const { name, port } of backends) writeFileSync(`${manifests}/${name}.yaml`, service(name, port));
    writeFileSync(`${manifests}/secret.yaml`, SECRET);
    writeFileSync(`${manifests}/shop.yaml`, ingress('a'));
    command = start('s');
    await command.untilSaid(/^ready /);
  });

  after(async () => {
    await command[Symbol.asyncDispose]();
    folder.dispose();
    await Promise.all(backends.map((backend) => backend.close()));
  });

  test('serves, redirects to HTTPS, and is ready', async () => {
    assert.match(command.stderr, /^read {6}6 objects: EndpointSlice 2, Ingress 1, Secret 1, Service 2, in force after \d+ ms$/m);
    assert.equal(await whoAnswers(), 'a');
    const plain = httpRequest({ host: '127.0.0.1', port: httpPort, path: '/x', headers: { host: HOST }, agent: false }).end();
    const [{ statusCode, headers }] = await once(plain, 'response');
    assert.deepEqual([statusCode, headers.location], [308, `https://${HOST}:${httpsPort}/x`]);
    assert.equal(await admin('/readyz'), 'ready\n');
    const status = await runSluiceCommand(['status', '--admin-port', `${adminPort}`]);
    assert.equal(status.code, 0, status.stdout);
    assert.match(status.stdout, /^objects {4}EndpointSlice 2, Ingress 1, Secret 1, Service 2$/m);
    assert.match(status.stdout, /\(in sync\)$/m);
  });

  test('tells of requests', async () => {
    assert.equal(await whoAnswers('/told?token=secret'), 'a');
    const server = `unix:${folder.join('s')}/flows.sock`;
    await eventually(async () => {
      const { stdout } = await runSluiceCommand(['observe', '--server', server, '--http-path', '^/told$', '-o', 'json']);
      const flows = stdout.split('\n').filter((line) => line.includes(`https://${HOST}/told"`));
      assert.equal(flows.length, 2, stdout);
    });
    assert.match((await runSluiceCommand(['status', '--admin-port', `${adminPort}`])).stdout, /^flows .* none lost$/m);
  });

  test('an edit is served and told; a mistake is told once, harms nobody, and is resolved', async () => {
    writeFileSync(`${manifests}/shop.yaml`, ingress('b'));
    await command.untilSaid(/^changed {3}Ingress default\/shop {2}\(.*shop\.yaml\) {2}1 route, in force after \d+ ms$/);
    await eventually(async () => assert.equal(await whoAnswers(), 'b'));
    writeFileSync(`${manifests}/more.yaml`, ingress('missing').replaceAll('shop', 'more'));
    await command.untilSaid(/^refused .*more\.yaml:1:\d+ {2}Ingress default\/more .*missing.*\[ServiceNotFound\]$/);
    assert.equal(await whoAnswers(), 'b');
    writeFileSync(`${manifests}/more.yaml`, ingress('a').replaceAll('shop', 'more'));
    await command.untilSaid(/^resolved {2}Ingress default\/more .*\[ServiceNotFound\]$/);
    assert.equal(command.stderr.match(/\[ServiceNotFound\]/g)?.length, 2, command.stderr);
  });

  test('a second start says who holds the ports, or the state folder', async () => {
    const elsewhere = await finish(start('other'));
    assert.equal(elsewhere.code, 1);
    assert.match(
      elsewhere.stderr,
      new RegExp(
        `^sluice: 127\\.0\\.0\\.1:${httpPort} is in use by envoy \\(pid \\d+\\); .*:${adminPort} is in use by .*pid ${command.pid}`,
      ),
    );
    const same = await finish(start('s'));
    assert.equal(same.code, 1);
    assert.match(same.stderr, new RegExp(`^sluice: the state folder \\S+ is in use by another Sluice \\(pid ${command.pid}\\)\\n$`));
  });

  test('after a kill -9 Envoy goes on, and the next start adopts it without sending anything again', async () => {
    command.signal('SIGKILL');
    await command.exited;
    assert.equal(await whoAnswers(), 'b');
    command = start('s', '--log-format', 'json');
    const line = await command.untilSaid(/"event":"ready"/);
    assert.deepEqual([JSON.parse(line).level, JSON.parse(line).httpPort], ['info', httpPort]);
    assert.match(command.stderr, /"event":"envoy".*adopted the running Envoy/);
    assert.equal(await whoAnswers(), 'b');
    const { envoy, ready } = JSON.parse(await admin('/status'));
    assert.deepEqual([ready, envoy.adopted], [true, true]);
    assert.doesNotMatch(await admin('/metrics'), /^sluice_xds_acks_total\{/m);
  });

  test('no word of it, no page and no file that others can read gives a key away', async () => {
    const { pages } = JSON.parse(await admin('/'));
    for (const page of pages) assert.ok(!(await admin(page)).includes(KEY_LINE), page);
    assert.ok(!`${command.stdout}${command.stderr}`.includes(KEY_LINE));
    const state = folder.join('s');
    assert.equal(statSync(state).mode & 0o077, 0);
    const files = readdirSync(state).filter((name) => statSync(`${state}/${name}`).isFile());
    for (const file of files) assert.ok(!readFileSync(`${state}/${file}`, 'utf8').includes(KEY_LINE), file);
  });

  test('the first signal lets open requests finish, the second does not wait for them', async () => {
    const open = whoAnswers('/?delay=60000').catch((error: unknown) => error);
    await eventually(() => assert.ok(backends.some(({ received }) => received.some(({ url }) => url.startsWith('/?delay')))));
    command.signal('SIGTERM');
    await command.untilSaid(/"event":"stopping".*on SIGTERM/);
    // Signals that come sooner count as the same request.
    await sleep(600);
    command.signal('SIGTERM');
    await command.untilSaid(/"event":"stopping".*at once/);
    assert.ok((await open) instanceof Error);
    assert.deepEqual(await finish(command).then(({ code, stdout }) => [code, stdout]), [0, '']);
  });
});

describe('a run that cannot start', { concurrency: 2 }, () => {
  const folder = new TemporaryFolder();
  after(() => folder.dispose());

  async function attempt(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<CommandResult> {
    const ports = await freePorts(3);
    const flags = ['--http-port', '--https-port', '--admin-port'].flatMap((flag, index) => [flag, `${ports[index]}`]);
    return await runSluiceCommand(['run', '--state-dir', folder.join(name), ...flags, ...args], { env });
  }

  test('says that there is no such folder', async () => {
    const { code, stderr } = await attempt('a', ['--manifests', folder.join('no')], {});
    assert.equal(code, 2);
    assert.match(stderr, /^sluice: \S+\/no does not exist$/m);
  });

  test('says that Envoy is none', async () => {
    mkdirSync(folder.join('m'));
    copyFileSync('/bin/true', folder.join('no-envoy'));
    const { code, stderr } = await attempt('b', ['--manifests', folder.join('m')], { SLUICE_ENVOY: folder.join('no-envoy') });
    assert.equal(code, 1);
    assert.match(stderr, /^sluice: .*no-envoy is not an Envoy/m);
  });
});
