import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Cgroup } from './cgroup.ts';
import { loads } from './compiled-programs.ts';

test('a cgroup goes once the last process has left it', loads(), async () => {
  const cgroup = new Cgroup();
  const child = spawn('sh', ['-c', cgroup.within('echo in it; sleep 0.2')], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  cgroup[Symbol.dispose]();
  assert.equal(existsSync(cgroup.folder), false);
});
