import { fileURLToPath } from 'node:url';
import { runChecks } from './checks.ts';
import { createProgress } from './progress.mjs';

const failed = await runChecks(fileURLToPath(new URL('..', import.meta.url)), createProgress(), { layers: true });
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
