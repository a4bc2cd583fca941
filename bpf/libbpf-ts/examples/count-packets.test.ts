import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loads } from '../testing/compiled-programs.ts';
import { enterOwnNamespaces } from '../testing/own-namespaces.ts';

enterOwnNamespaces();

const SOURCE = fileURLToPath(new URL('count-packets.bpf.c', import.meta.url));
const PROGRAM = fileURLToPath(new URL('count-packets.ts', import.meta.url));
const HEADERS = `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

test('the example counts packets of a device by who sent them, and leaves nothing when it is interrupted', loads(), async () => {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-ts-example-'));
  try {
    const object = join(folder, 'count-packets.bpf.o');
    execFileSync('clang', ['-O2', '-g', '-target', 'bpf', HEADERS, '-c', SOURCE, '-o', object]);
    const example = spawn(process.execPath, [PROGRAM, object, 'lo'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(example, 'exit');
    const socket = createSocket('udp4').unref();
    const sending = setInterval(() => socket.send('hello', 9, '127.0.0.1'), 20);
    try {
      const [line] = await once(createInterface(example.stdout), 'line');
      assert.match(line, /^127\.0\.0\.1 {2}[1-9]\d*$/);
    } finally {
      clearInterval(sending);
      example.kill('SIGINT');
    }
    assert.deepEqual(await ended, [0, null]);
    assert.doesNotMatch(execFileSync('tc', ['filter', 'show', 'dev', 'lo', 'ingress'], { encoding: 'utf8' }), /bpf/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
