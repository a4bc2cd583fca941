import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Backend } from '../testkit/backend.ts';
import { eventually } from '../testkit/eventually.ts';
import { freePort } from '../testkit/ports.ts';
import { ProxiedEnvoy, type ProxiedEnvoyOptions } from '../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import type { EnvoyEvent, EnvoyProcess } from './index.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';

const CONTROL_PROCESS = fileURLToPath(new URL('../testkit/start-proxied-envoy.ts', import.meta.url));

/** Starts Envoy from another process, kills that one once Envoy serves, and returns Envoy's process id. */
async function startAndKill({ statePath, listenPort, backendPort }: ProxiedEnvoyOptions): Promise<number> {
  const control = fork(CONTROL_PROCESS, [statePath, String(listenPort), String(backendPort)], { stdio: 'ignore' });
  const pid = await readyPid(control);
  control.kill('SIGKILL');
  await once(control, 'exit');
  return pid;
}

async function readyPid(control: ChildProcess): Promise<number> {
  return await new Promise((resolve, reject) => {
    control.on('exit', () => reject(new Error('the control process ended before Envoy was ready')));
    control.on('message', (event: EnvoyEvent) => event.kind === 'ready' && resolve(event.pid));
  });
}

function identityOf(envoy: EnvoyProcess): ProcessIdentity {
  const identity = identifyProcess(envoy.pid ?? 0);
  assert.ok(identity);
  return identity;
}

test('Envoy serves on after a kill of its control process, which the next one adopts', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const options = { statePath: folder.join('state'), listenPort: await freePort(), backendPort: backend.port };
  const pid = await startAndKill(options);
  assert.equal((await fetch(`http://127.0.0.1:${options.listenPort}/`)).status, 200);

  await using next = await ProxiedEnvoy.start(options);
  assert.equal(next.envoy.pid, pid);
  assert.deepEqual(
    next.events.map((event) => event.kind),
    ['adopted', 'ready'],
  );
  assert.equal((await fetch(`http://127.0.0.1:${options.listenPort}/`)).status, 200);
  await eventually(() => assert.ok(next.ads.requests.length > 0, 'Envoy found the new xDS server'));

  await next.envoy.stop({ drainMs: 0 });
  assert.deepEqual(next.events.slice(2), [
    { kind: 'stopping', pid, drainMs: 0 },
    { kind: 'stopped', pid, by: 'quit' },
  ]);
});

test('an adopted Envoy that dies is started again', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const options = { statePath: folder.join('state'), listenPort: await freePort(), backendPort: backend.port };
  const pid = await startAndKill(options);
  await using next = await ProxiedEnvoy.start(options);
  process.kill(pid, 'SIGKILL');
  await eventually(() => assert.equal(next.events.filter((event) => event.kind === 'ready').length, 2));
  assert.deepEqual(next.events[2], { kind: 'exited', pid, code: undefined, signal: undefined, lines: [] });
  assert.notEqual(next.envoy.pid, pid);
  await next.envoy.stop({ drainMs: 0 });
});

test('an Envoy that was started differently is replaced', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const options = { statePath: folder.join('state'), listenPort: await freePort(), backendPort: backend.port };
  let earlier: ProcessIdentity;
  {
    await using first = await ProxiedEnvoy.start(options);
    earlier = identityOf(first.envoy);
  }
  assert.ok(isAlive(earlier), 'detached, it runs on');

  await using next = await ProxiedEnvoy.start({ ...options, settings: { regexMaxProgramSize: 4321 } });
  const { pid } = earlier;
  assert.deepEqual(next.events.slice(0, 3), [
    { kind: 'replacing', pid, reason: 'configuration-changed' },
    { kind: 'stopping', pid, drainMs: 10_000 },
    { kind: 'stopped', pid, by: 'quit' },
  ]);
  assert.deepEqual(
    next.events.slice(3).map((event) => event.kind),
    ['started', 'ready'],
  );
  assert.ok(!isAlive(earlier));
  assert.equal((await fetch(`http://127.0.0.1:${options.listenPort}/`)).status, 200);
  await next.envoy.stop({ drainMs: 0 });
});

test('stopped while it replaces an Envoy, it starts none', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const options = { statePath: folder.join('state'), listenPort: await freePort(), backendPort: backend.port };
  let pid: number | undefined;
  {
    await using first = await ProxiedEnvoy.start(options);
    pid = first.envoy.pid;
  }
  const cut = assert.rejects(fetch(`http://127.0.0.1:${options.listenPort}/?delay=600000`));
  await eventually(() => assert.equal(backend.received.length, 1));
  await using next = await ProxiedEnvoy.prepare({ ...options, settings: { regexMaxProgramSize: 4321, drainTime: 600_000 } });
  const refused = assert.rejects(next.envoy.start(), { name: 'EnvoyError', code: 'stopped' });
  await eventually(() => assert.equal(next.events.at(-1)?.kind, 'stopping'));
  await next.envoy.stop({ drainMs: 0 });
  await refused;
  await cut;
  assert.deepEqual(next.events, [
    { kind: 'replacing', pid, reason: 'configuration-changed' },
    { kind: 'stopping', pid, drainMs: 600_000 },
    { kind: 'stopped', pid, by: 'quit' },
  ]);
});

test('an Envoy whose drain was interrupted is replaced', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const options = { statePath: folder.join('state'), listenPort: await freePort(), backendPort: backend.port };
  {
    await using first = await ProxiedEnvoy.start(options);
    await first.envoy.admin.failHealthChecks();
  }
  await using next = await ProxiedEnvoy.start(options);
  const [first] = next.events;
  assert.ok(first?.kind === 'replacing');
  assert.equal(first.reason, 'draining');
  assert.notEqual(next.envoy.pid, first.pid);
  await next.envoy.stop({ drainMs: 0 });
});

test('what is remembered of a process that is gone does not matter', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const options = { statePath: folder.join('state'), listenPort: await freePort(), backendPort: backend.port };
  await using proxied = await ProxiedEnvoy.prepare(options);
  // This process lives, but began at another time than the one remembered.
  proxied.state.rememberEnvoy({ pid: process.pid, startedAt: 'long-ago', version: '1.0.0', fingerprint: 'x', logOffset: 0 });
  await proxied.envoy.start();
  assert.deepEqual(
    proxied.events.map((event) => event.kind),
    ['started', 'ready'],
  );
  await proxied.envoy.stop({ drainMs: 0 });
});
