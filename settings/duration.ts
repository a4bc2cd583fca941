import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 1e-3, µs: 1e-3, μs: 1e-3, ns: 1e-6 };
const DURATION = /^(?:\d+(?:\.\d*)?|\.\d+)(?:h|m(?!s)|s|ms|us|µs|μs|ns)/;
/** What a google.protobuf.Duration of Envoy can hold with room to spare: ten years. */
const MAX_MS = 10 * 365 * 24 * 3_600_000;

/**
 * Reads a duration as Go writes it (`1m30s`, `500ms`, `0`), in milliseconds. Undefined where it is none, is negative, or
 * is longer than ten years.
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  let rest = text.startsWith('+') ? text.slice(1) : text;
  if (rest === '') return undefined;
  let total = 0;
  while (rest !== '') {
    const part = DURATION.exec(rest)?.[0];
    if (part === undefined) return undefined;
    const unit = /[^\d.]+$/.exec(part)?.[0] ?? '';
    total += Number.parseFloat(part) * (UNITS[unit] ?? Number.NaN);
    rest = rest.slice(part.length);
  }
  return total <= MAX_MS ? total : undefined;
}

/** A duration in a settings file; its value is in milliseconds. */
export const duration = z
  .string()
  .meta({ title: 'duration' })
  .transform((text, context) => {
    const milliseconds = parseDuration(text);
    if (milliseconds !== undefined) return milliseconds;
    context.addIssue({ code: 'custom', message: `must be a duration such as 500ms, 30s or 1m30s, not ${JSON.stringify(text)}` });
    return z.NEVER;
  });
