import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { BpfError, type LoadedObject, ObjectSpec, u32, u64 } from './index.ts';
import { Cgroup } from './testing/cgroup.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

/** Opens two connections; each line that it is told goes into the first, and it tells what comes out of the second, or that the first took nothing. */
const CLIENT = `exec 3<>/dev/tcp/127.0.0.1/$1 4<>/dev/tcp/127.0.0.1/$1
while read -r line; do
  if printf '%s\\n' "$line" >&3; then read -r -u 4 answer && echo "second: $answer"; else echo 'first: refused'; fi
done 2>/dev/null`;

/** A shell in a cgroup with two connections to a server of this process, which says what it hears to the other one. */
class Client implements AsyncDisposable {
  readonly #cgroup = new Cgroup();
  readonly #server = createServer((socket) => this.accepted.push(socket));
  readonly accepted: Socket[] = [];
  #ask: ((line: string) => Promise<string>) | undefined;
  #end: (() => Promise<void>) | undefined;

  get cgroup(): string {
    return this.#cgroup.folder;
  }

  async connect(): Promise<readonly [first: Socket, second: Socket]> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    assert.ok(address !== null && typeof address === 'object');
    const shell = spawn('bash', ['-c', this.#cgroup.within(CLIENT), 'bash', String(address.port)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(shell.stdout);
    this.#ask = async (line) => {
      const answer = once(lines, 'line');
      shell.stdin.write(`${line}\n`);
      return (await answer)[0];
    };
    this.#end = async () => {
      const ended = once(shell, 'close');
      shell.stdin.end();
      await ended;
    };
    while (this.accepted.length < 2) await once(this.#server, 'connection');
    const [first, second] = this.accepted;
    assert.ok(first && second);
    return [first, second];
  }

  async say(line: string): Promise<string> {
    assert.ok(this.#ask);
    return await this.#ask(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    await this.#end?.();
    this.#server.close();
    this.#cgroup[Symbol.dispose]();
  }
}

describe('a map of sockets that redirects', loads(), () => {
  const programs = new CompiledPrograms();
  let object: LoadedObject;
  before(async () => {
    using spec = ObjectSpec.open(programs.compile('redirected'));
    object = await spec.load();
  });
  after(() => {
    object[Symbol.dispose]();
    programs[Symbol.dispose]();
  });

  test('gives what one socket says to another one of this machine, past the network', async () => {
    await using client = new Client();
    const [byPort, routes] = [object.map('by_port', u32, u64), object.map('routes', u32, u32)];
    using _joined = object.program('join').attachToCgroup(client.cgroup);
    using _redirected = object.program('redirect').attachToSockets(byPort);
    const [first, second] = await client.connect();
    const heard = [text(first), text(second)];
    const [from = 0, to = 0] = [first.remotePort, second.remotePort];
    assert.deepEqual(new Set([...byPort.entries()].map(([port]) => port)), new Set([from, to]));
    assert.ok((byPort.get(from) ?? 0n) > 0n, 'the socket has no cookie');

    routes.set(from, to);
    assert.equal(await client.say('hello'), 'second: hello');
    assert.equal(await client.say('again'), 'second: again');
    routes.delete(from);
    first.once('data', () => second.write('heard\n'));
    assert.equal(await client.say('by the network'), 'second: heard');
    routes.set(from, to);
    assert.equal(byPort.delete(to), true);
    assert.equal(await client.say('to nobody'), 'first: refused');
    await client[Symbol.asyncDispose]();
    assert.deepEqual(await Promise.all(heard), ['by the network\n', '']);
  });

  test('has one program for those that come, which another one replaces at once, and which takes itself away and no other', async () => {
    const byPort = object.map('by_port', u32, u64);
    const attached = object.program('redirect').attachToSockets(byPort);
    const say = async (client: Client) => {
      const [first, second] = await client.connect();
      first.on('data', () => second.write('heard\n'));
      return await client.say('hello');
    };
    const saidByAnother = async () => {
      await using client = new Client();
      using _joined = object.program('join').attachToCgroup(client.cgroup);
      return await say(client);
    };
    await using old = new Client();
    using _joined = object.program('join').attachToCgroup(old.cgroup);
    assert.equal(await say(old), 'second: heard');
    attached.update(object.program('refuse'));
    assert.equal(await saidByAnother(), 'first: refused');
    assert.equal(await old.say('still'), 'second: heard', 'a socket that was there before has another program');
    attached.update(object.program('redirect'));
    assert.equal(await saidByAnother(), 'second: heard');
    const other = object.program('refuse').attachToSockets(byPort);
    attached[Symbol.dispose]();
    assert.equal(await saidByAnother(), 'first: refused', 'what another one attached was taken away');
    other[Symbol.dispose]();
    assert.equal(await saidByAnother(), 'second: heard');
    assert.throws(
      () => attached.update(object.program('redirect')),
      (error) => error instanceof BpfError && error.code === 'closed',
    );
  });
});
