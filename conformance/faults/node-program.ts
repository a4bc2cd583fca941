import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { statusSchema } from '../../controller/admin/status.ts';
import { answerParent } from '../../testkit/answer-parent.ts';
import { type NodeRequest, nodeRequest } from './node-messages.ts';

// Does on a node, in its network and among its files, what its parent says.

const SOCKET = '/run/sluice/xds.sock';
const STATUS = 'http://127.0.0.1:15010/status';
const POLL_MS = 5;
const BLOCK = Buffer.alloc(4_096);

answerParent(nodeRequest, answer);

async function answer(request: NodeRequest): Promise<unknown> {
  switch (request.kind) {
    case 'until-dialled':
      return await untilDialled(request.after);
    case 'mount':
      return void execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${request.size},mode=755`, 'none', request.folder]);
    case 'fill':
      return fill(request.path);
    case 'remove':
      return void rmSync(request.path);
  }
}

async function untilDialled(after: number): Promise<number> {
  for (;;) {
    const listensSince = statSync(SOCKET, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (listensSince > after && (await isDialled(after))) return Date.now() - listensSince;
    await sleep(POLL_MS);
  }
}

/** Whether an agent that was started after a time serves Envoy. */
async function isDialled(after: number): Promise<boolean> {
  try {
    const { since, clients } = statusSchema.parse(await (await fetch(STATUS)).json());
    return Date.parse(since) > after && clients.length > 0;
  } catch {
    return false;
  }
}

function fill(path: string): number {
  const file = openSync(path, 'w');
  let size = 0;
  try {
    for (;;) size += writeSync(file, BLOCK);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    return size;
  } finally {
    closeSync(file);
  }
}
