import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { freePort, freePorts } from './ports.ts';

const MODULE = new URL('./ports.ts', import.meta.url).href;

test('gives no port twice, in this process or another', async () => {
  const script = `
    const { freePorts } = await import(${JSON.stringify(MODULE)});
    console.log(JSON.stringify(await freePorts(120)));`;
  const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  const ours = await freePorts(120);
  const theirs = (await Promise.all([run(), run()])).map(({ stdout }): readonly number[] => JSON.parse(stdout));
  assert.equal(new Set([...ours, ...(theirs[0] ?? [])]).size, 240);
  assert.equal(new Set([...ours, ...(theirs[1] ?? [])]).size, 240);
});

test('a port that was given can be listened on', async () => {
  const server = createServer().listen(await freePort(), '127.0.0.1');
  await once(server, 'listening');
  server.close();
});
