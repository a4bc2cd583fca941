import type { CheckResult } from '../doctor/check.ts';

const WORDS = { ok: 'ok', warning: 'warning', failed: 'FAILED' } as const;

/** A line a check, and below it what to do; then the sums. */
export function formatDoctor(results: readonly CheckResult[]): string {
  const lines = results.flatMap(({ name, result, found, todo }) => [
    `${WORDS[result].padEnd(9)}${name.padEnd(17)}${found}`,
    ...(todo === undefined ? [] : [`${' '.repeat(26)}→ ${todo}`]),
  ]);
  const count = (wanted: CheckResult['result']) => results.filter(({ result }) => result === wanted).length;
  return `${[...lines, '', `${results.length} checks, ${count('warning')} warnings, ${count('failed')} failed`].join('\n')}\n`;
}
