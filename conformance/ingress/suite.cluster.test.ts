import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { SCENARIOS } from './scenarios/index.ts';

const RUN = fileURLToPath(new URL('../run.ts', import.meta.url));

const reportView = z.object({
  passed: z.int(),
  results: z.array(z.object({ area: z.string(), name: z.string(), outcome: z.string(), message: z.string().default('') })),
});

/** It takes three minutes of two idle processors. */
const WITHIN_MS = 14 * 60_000;

test('every scenario passes on Sluice as it is installed', { ...needs('cluster', 'root'), timeout: WITHIN_MS }, async (t) => {
  const suite = spawn(process.execPath, [RUN, 'ingress', '--output', 'json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(suite.stdout), text(suite.stderr), once(suite, 'exit')]);
  assert.match(stdout, /^\{/, stderr);
  const { passed, results } = reportView.parse(JSON.parse(stdout));
  t.diagnostic(`${passed} of ${SCENARIOS.length} scenarios passed`);
  const others = results.filter(({ outcome }) => outcome !== 'passed');
  assert.deepEqual(
    others.map(({ area, name, message }) => `${area}: ${name}: ${message}`),
    [],
  );
  assert.equal(passed, SCENARIOS.length);
});
