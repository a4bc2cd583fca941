import { CliError } from '../cli-error.ts';

const UNITS: Readonly<Record<string, bigint>> = {
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};
const SPAN = /^(?:\d+(?:ms|s|m|h|d))+$/;
const PART = /(\d+)(ms|s|m|h|d)/g;

/**
 * A time, in nanoseconds since 1970: RFC 3339, or how long ago it was (`90s`, `1h30m`).
 * @param now in nanoseconds since 1970
 * @throws CliError `usage`
 */
export function readTime(option: string, text: string, now: bigint): bigint {
  if (SPAN.test(text)) {
    const parts = [...text.matchAll(PART)].map(([, count = '0', unit = '']) => BigInt(count) * (UNITS[unit] ?? 0n));
    return now - parts.reduce((sum, part) => sum + part, 0n);
  }
  const milliseconds = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(milliseconds)) return BigInt(milliseconds) * 1_000_000n;
  throw new CliError(
    'usage',
    `--${option} must be a time (2026-01-31T12:00:00Z) or how long ago it was (90s, 1h30m), not ${JSON.stringify(text)}`,
  );
}
