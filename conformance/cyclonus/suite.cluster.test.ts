import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { runCyclonusSuite } from './main.ts';

const reportView = z.object({
  passed: z.int(),
  pairs: z.int(),
  results: z.array(z.object({ description: z.string(), tags: z.array(z.string()), outcome: z.string() })),
});

const WITHIN_MS = 14 * 60_000;

/** All 230 take more than an hour: `npm run conformance -- cyclonus`. Where DNS is denied too, clients wait most of a minute for each name. */
test('changes of policies, pods and labels pass cyclonus', { ...needs('cluster', 'root', 'bpf'), timeout: WITHIN_MS }, async (t) => {
  using folder = new TemporaryFolder();
  let said = '';
  const tell = (text: string) => {
    said += text;
  };
  const code = await runCyclonusSuite(['--include', 'action', '--exclude', 'deny-all', '--report', folder.path], {
    out: tell,
    error: tell,
  });
  const { passed, pairs, results } = reportView.parse(JSON.parse(readFileSync(folder.join('cyclonus.json'), 'utf8')));
  t.diagnostic(`${passed} cases with ${pairs} pairs of pods passed`);
  const others = results.filter(({ outcome }) => outcome === 'failed' || outcome === 'not run');
  assert.deepEqual({ code, others, passed }, { code: 0, others: [], passed: 6 }, said);
});
