import assert from 'node:assert/strict';
import { chmodSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { envoyTypesVersion } from '@sluice/envoy-protos/version.js';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import { Backend } from '../testkit/backend.ts';
import { envoyBinary } from '../testkit/envoy-binary.ts';
import { eventually } from '../testkit/eventually.ts';
import { freePort } from '../testkit/ports.ts';
import { ProxiedEnvoy } from '../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { buildBootstrap, type EnvoyError, type EnvoyEvent, EnvoyProcess, type EnvoyProcessOptions, StateFolder } from './index.ts';

/** A process without an xDS server, which therefore never becomes ready. */
function lonelyEnvoy(state: StateFolder, change: Partial<EnvoyProcessOptions> = {}) {
  const settings = { ...DEFAULT_SETTINGS.envoy, concurrency: 1 };
  const bootstrap = buildBootstrap({
    nodeId: 'test-node',
    cluster: 'test',
    xdsSocket: state.xdsSocket,
    adminSocket: state.adminSocket,
    settings,
  });
  const events: EnvoyEvent[] = [];
  const onEvent = (event: EnvoyEvent) => void events.push(event);
  const version = envoyTypesVersion();
  return { events, bootstrap, envoy: new EnvoyProcess({ binary: envoyBinary(), version, state, bootstrap, settings, onEvent, ...change }) };
}

function kinds(events: readonly EnvoyEvent[]): readonly string[] {
  return events.map((event) => event.kind);
}

test('starts, serves what xDS delivered, and stops', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const listenPort = await freePort();
  await using proxied = await ProxiedEnvoy.start({ statePath: folder.join('state'), listenPort, backendPort: backend.port });

  const response = await fetch(`http://127.0.0.1:${listenPort}/hello`);
  assert.equal(response.headers.get('x-backend'), 'a');
  const { pid } = proxied.envoy;
  assert.equal(proxied.state.findEnvoy()?.pid, pid);
  const [, , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  assert.equal(Number(session), pid, 'it is in a session of its own, out of reach of the terminal');

  await proxied.envoy.stop({ drainMs: 1_000 });
  assert.deepEqual(proxied.events, [
    { kind: 'started', pid, version: envoyTypesVersion() },
    { kind: 'ready', pid },
    { kind: 'stopping', pid, drainMs: 1_000 },
    { kind: 'stopped', pid, by: 'quit' },
  ]);
  assert.equal(proxied.envoy.pid, undefined);
  assert.equal(proxied.state.findEnvoy(), undefined);
  assert.deepEqual(proxied.ads.requests.map((request) => request.errorDetail).filter(Boolean), []);
});

test('an Envoy that is killed is started again, at once and then later each time', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const listenPort = await freePort();
  await using proxied = await ProxiedEnvoy.start({ statePath: folder.join('state'), listenPort, backendPort: backend.port });

  for (const [round, delay] of [0, 250, 500].entries()) {
    const pid = proxied.envoy.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await eventually(() => assert.equal(proxied.events.filter((event) => event.kind === 'ready').length, round + 2));
    const since = proxied.events.slice(2 + 4 * round);
    assert.deepEqual(kinds(since), ['exited', 'restarting', 'started', 'ready']);
    assert.deepEqual(since[0], { kind: 'exited', pid, code: undefined, signal: 'SIGKILL', lines: [] });
    assert.deepEqual(since[1], { kind: 'restarting', inMs: delay });
    assert.notEqual(proxied.envoy.pid, pid);
    assert.equal((await fetch(`http://127.0.0.1:${listenPort}/`)).status, 200);
  }
  await proxied.envoy.stop({ drainMs: 0 });
});

test('a binary that is gone when Envoy has to be started again is waited for', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const binary = folder.join('envoy');
  symlinkSync(envoyBinary(), binary);
  const options = { statePath: folder.join('state'), listenPort: await freePort(), backendPort: backend.port, binary };
  await using proxied = await ProxiedEnvoy.start(options);

  unlinkSync(binary);
  process.kill(proxied.envoy.pid ?? 0, 'SIGKILL');
  await eventually(() => assert.ok(kinds(proxied.events).includes('start-failed')));
  assert.equal(proxied.envoy.pid, undefined);
  symlinkSync(envoyBinary(), binary);
  await eventually(() => assert.equal(proxied.events.at(-1)?.kind, 'ready'));
  await proxied.envoy.stop({ drainMs: 0 });
});

test('stop while Envoy waits for its first configuration', async () => {
  using folder = new TemporaryFolder();
  using state = StateFolder.open(folder.join('state'));
  const { envoy, events } = lonelyEnvoy(state);
  const started = envoy.start();
  const refused = assert.rejects(started, { name: 'EnvoyError', code: 'stopped' });
  await eventually(async () => assert.equal(await envoy.admin.state(), 'PRE_INITIALIZING'));
  await envoy.stop({ drainMs: 0 });
  await refused;
  assert.deepEqual(kinds(events), ['started', 'stopping', 'stopped']);
});

test('stop before Envoy was started', async () => {
  using folder = new TemporaryFolder();
  using state = StateFolder.open(folder.join('state'));
  const { envoy, events } = lonelyEnvoy(state);
  const refused = assert.rejects(envoy.start(), { name: 'EnvoyError', code: 'stopped' });
  await envoy.stop({ drainMs: 0 });
  await refused;
  assert.deepEqual(events, []);
});

test('a bootstrap that Envoy refuses: its own words', async () => {
  using folder = new TemporaryFolder();
  using state = StateFolder.open(folder.join('state'));
  const { envoy, bootstrap, events } = lonelyEnvoy(state);
  for (const cluster of bootstrap.staticResources?.clusters ?? []) cluster.name = '';
  const refusing = lonelyEnvoy(state, { bootstrap }).envoy;
  await assert.rejects(refusing.start(), (error: EnvoyError) => {
    assert.equal(error.code, 'exited-before-ready');
    assert.match(error.message, /^Envoy ended with code 1 before it was ready: error `.* … .*ClusterValidationError.*Name/);
    assert.match(error.lines.join('\n'), /ClusterValidationError\.Name: value length must be at least 1/);
    return true;
  });
  assert.equal(state.findEnvoy(), undefined);
  assert.equal(envoy.pid, undefined);
  assert.deepEqual(events, []);
});

const UNUSABLE: readonly { readonly title: string; readonly script?: string; readonly code: string; readonly message: RegExp }[] = [
  { title: 'no such file', code: 'not-executable', message: /cannot run Envoy at .*ENOENT/ },
  { title: 'a file that is no program', script: '\0', code: 'not-executable', message: /is not an Envoy/ },
  { title: 'another program', script: '#!/bin/sh\necho nginx 1.27', code: 'not-executable', message: /is not an Envoy.*nginx 1\.27/ },
  {
    title: 'another version',
    script: '#!/bin/sh\necho "envoy  version: 0123abc/1.2.3/Clean/RELEASE/BoringSSL"',
    code: 'version-mismatch',
    message: /is Envoy 1\.2\.3, but this Sluice was made for Envoy \d/,
  },
];

for (const { title, script, code, message } of UNUSABLE) {
  test(`a binary that cannot be used: ${title}`, async () => {
    using folder = new TemporaryFolder();
    using state = StateFolder.open(folder.join('state'));
    const binary = folder.join('envoy');
    if (script !== undefined) {
      writeFileSync(binary, script);
      chmodSync(binary, 0o755);
    }
    const { envoy, events } = lonelyEnvoy(state, { binary });
    await assert.rejects(envoy.start(), { name: 'EnvoyError', code, message });
    assert.deepEqual(events, []);
  });
}
