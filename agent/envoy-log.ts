import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';

const ROTATE_AT_BYTES = 10 * 1024 * 1024;
const TAIL_BYTES = 64 * 1024;
const MAX_LINES = 10;
const MAX_LINE = 1_000;
const KEPT_AT_START = 100;
const ERROR_LINE = /\[(?:error|critical)\]/;

/** Where one run of Envoy begins in its log. */
export interface LogPosition {
  readonly path: string;
  readonly offset: number;
}

/**
 * Opens the log for a new run of Envoy, which appends to it. A log of more than 10 MiB is kept as `PATH.1` in place of the
 * one before. The caller closes the descriptor.
 */
export function openEnvoyLog(path: string): { readonly fd: number; readonly position: LogPosition } {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_AT_BYTES) renameSync(path, `${path}.1`);
  const fd = openSync(path, 'a', 0o600);
  return { fd, position: { path, offset: fstatSync(fd).size } };
}

/**
 * Why Envoy ended, in its own words: the last errors since the position, or else the last lines; at most ten, oldest first,
 * of about 1,000 characters each.
 */
export function lastWords({ path, offset }: LogPosition): readonly string[] {
  const lines = readTail(path, offset)
    .split('\n')
    .filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => ERROR_LINE.test(line));
  return (errors.length > 0 ? errors : lines).slice(-MAX_LINES).map(shorten);
}

/** A message about a bootstrap begins with all of it, and ends with what is wrong in it. */
function shorten(line: string): string {
  if (line.length <= MAX_LINE) return line;
  return `${line.slice(0, KEPT_AT_START)} … ${line.slice(KEPT_AT_START - MAX_LINE)}`;
}

function readTail(path: string, offset: number): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(fd);
    const start = Math.max(offset, size - TAIL_BYTES, 0);
    const buffer = Buffer.alloc(Math.max(size - start, 0));
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, start));
  } finally {
    closeSync(fd);
  }
}
