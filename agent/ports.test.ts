import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Backend } from '../testkit/backend.ts';
import { needs } from '../testkit/capabilities.ts';
import { freePort } from '../testkit/ports.ts';
import { ProxiedEnvoy } from '../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { checkPortsFree, findPortHolder } from './index.ts';

const MODULE = new URL('./ports.ts', import.meta.url).href;

class Listener implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly pid: number;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
  }

  /** Another process that listens. */
  static async start(options: { readonly host: string; readonly port: number; readonly ipv6Only?: boolean }): Promise<Listener> {
    const script = `require('node:net').createServer().listen(${JSON.stringify(options)}, () => console.log('listening'))`;
    const child = spawn(process.execPath, ['--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    return new Listener(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

interface Conflict {
  readonly held: string;
  readonly wanted: string;
  readonly conflict: boolean;
}

const IPV4_CONFLICTS: readonly Conflict[] = [
  { held: '127.0.0.1', wanted: '127.0.0.1', conflict: true },
  { held: '127.0.0.1', wanted: '0.0.0.0', conflict: true },
  { held: '127.0.0.1', wanted: '127.0.0.2', conflict: false },
  { held: '0.0.0.0', wanted: '127.0.0.1', conflict: true },
  { held: '0.0.0.0', wanted: '0.0.0.0', conflict: true },
];

const IPV6_CONFLICTS: readonly Conflict[] = [
  { held: '127.0.0.1', wanted: '::', conflict: true },
  { held: '127.0.0.1', wanted: '::1', conflict: false },
  { held: '0.0.0.0', wanted: '::', conflict: true },
  { held: '0.0.0.0', wanted: '::1', conflict: false },
  { held: '::', wanted: '127.0.0.1', conflict: true },
  { held: '::', wanted: '::1', conflict: true },
  { held: '::1', wanted: '::1', conflict: true },
  { held: '::1', wanted: '::', conflict: true },
  { held: '::1', wanted: '127.0.0.1', conflict: false },
  { held: '::ffff:127.0.0.1', wanted: '127.0.0.1', conflict: true },
];

async function assertConflict({ held, wanted, conflict }: Conflict): Promise<void> {
  const port = await freePort();
  await using listener = await Listener.start({ host: held, port });
  const place = wanted.includes(':') ? `[${wanted}]:${port}` : `${wanted}:${port}`;
  const message = `${place} is in use by node (pid ${listener.pid})`;
  const problems = await checkPortsFree([{ address: wanted, port }]);
  const expected = conflict ? [{ code: 'in-use', message }] : [];
  assert.deepEqual(
    problems.map((problem) => ({ code: problem.code, message: problem.message })),
    expected,
    `${held} held, ${wanted} wanted`,
  );
}

test('which addresses are in the way of which, and who holds them', async () => {
  for (const conflict of IPV4_CONFLICTS) await assertConflict(conflict);
});

test('which addresses of IPv6 are in the way of which, and of IPv4', needs('ipv6'), async () => {
  for (const conflict of IPV6_CONFLICTS) await assertConflict(conflict);
});

test('a problem tells the whole command line of the holder', async () => {
  const port = await freePort();
  await using listener = await Listener.start({ host: '127.0.0.1', port });
  const holder = findPortHolder({ address: '127.0.0.1', port });
  assert.ok(holder?.kind === 'process');
  assert.equal(holder.pid, listener.pid);
  assert.equal(holder.commandLine[1], '--eval');
  assert.equal(findPortHolder({ address: '127.0.0.1', port: await freePort() }), undefined);
});

test('one problem for each address that cannot be had, in the order given', async () => {
  const [free, taken] = [await freePort(), await freePort()];
  await using listener = await Listener.start({ host: '127.0.0.1', port: taken });
  const problems = await checkPortsFree([
    { address: '192.0.2.1', port: free },
    { address: '127.0.0.1', port: free },
    { address: '127.0.0.1', port: taken },
  ]);
  assert.deepEqual(
    problems.map(({ code, message }) => ({ code, message })),
    [
      { code: 'no-such-address', message: `cannot listen on 192.0.2.1:${free}: this machine has no such address` },
      { code: 'in-use', message: `127.0.0.1:${taken} is in use by node (pid ${listener.pid})` },
    ],
  );
  assert.deepEqual(await checkPortsFree([{ address: '127.0.0.1', port: taken }], [listener.pid]), [], 'it is ours');
});

test("a port that Envoys would share without a word, unless it is one's own", async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const port = await freePort();
  const statePath = folder.join('state');
  await using proxied = await ProxiedEnvoy.start({ statePath, listenPort: port, backendPort: backend.port, settings: { concurrency: 2 } });
  const pid = proxied.envoy.pid ?? 0;
  const [problem] = await checkPortsFree([{ address: '127.0.0.1', port }]);
  assert.equal(problem?.message, `127.0.0.1:${port} is in use by envoy (pid ${pid})`);
  assert.deepEqual(await checkPortsFree([{ address: '127.0.0.1', port }], [pid]), []);
  await proxied.envoy.stop({ drainMs: 0 });
});

test("a process of another user is named by that user's number", needs('root'), async () => {
  const port = await freePort();
  await using _listener = await Listener.start({ host: '127.0.0.1', port });
  // Loaded first, since the other user need not be able to read this checkout.
  const script = `
    const { checkPortsFree } = await import(${JSON.stringify(MODULE)});
    process.setuid(65534);
    const [problem] = await checkPortsFree([{ address: '127.0.0.1', port: ${port} }]);
    console.log(problem?.message);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  assert.equal(stdout.trim(), `127.0.0.1:${port} is in use by another user's process (uid 0)`);
});

test('a port of this very process', async () => {
  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  const [problem] = await checkPortsFree([{ address: '127.0.0.1', port }]);
  assert.equal(problem?.holder?.kind, 'process');
  server.close();
});
