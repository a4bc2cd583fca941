import { isUtf8 } from 'node:buffer';
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { type Finding, finding } from '../codes.ts';
import { isAbsent, reasonOf } from './folder-error.ts';

export type FileReading =
  | {
      readonly result: 'text';
      readonly text: string;
      /** Whether some bytes were no UTF-8 and stand in the text as replacement characters. */
      readonly lossy: boolean;
      readonly signature: string;
    }
  | { readonly result: 'unreadable'; readonly finding: Finding; readonly signature: string }
  | { readonly result: 'gone' };

/** No file ever has this signature, so that a file is read again the next time that somebody looks. */
export const UNKNOWN_SIGNATURE = '';

/** A file changed less than this long ago may change again without another time of change. */
const CLOCK_TICK_MS = 100;

/** Changes whenever the file does, unless it changes twice within a tick of the file system's clock. */
export function signatureOf(stats: Stats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`;
}

/** Reads a file as text, unless it has more bytes than `limit`. Whatever goes wrong is part of the result. */
export function readManifestFile(path: string, limit: number): FileReading {
  try {
    // Opening a pipe or a device may have effects, so it is looked at first.
    if (!statSync(path).isFile()) return { result: 'gone' };
    return readOpened(path, limit);
  } catch (error) {
    if (isAbsent(error)) return { result: 'gone' };
    return unreadable(finding('FileUnreadable', `cannot be read: ${reasonOf(error)}`));
  }
}

function readOpened(path: string, limit: number): FileReading {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return { result: 'gone' };
    const recent = Date.now() - stats.mtimeMs < CLOCK_TICK_MS;
    const signature = recent ? UNKNOWN_SIGNATURE : signatureOf(stats);
    const bytes = stats.size > limit ? undefined : readBytes(descriptor, stats.size, limit);
    if (bytes) return decode(bytes, signature);
    const message = `is larger than the ${limit} bytes that a file may have, so it is not read`;
    return unreadable(finding('TooLarge', message), signature);
  } finally {
    closeSync(descriptor);
  }
}

/** All bytes to the end, however many the size promised; undefined for more than `limit`. */
function readBytes(descriptor: number, size: number, limit: number): Buffer | undefined {
  let buffer = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
    if (length > limit) return undefined;
    if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(Math.max(length, 4096))]);
  }
}

function decode(bytes: Buffer, signature: string): FileReading {
  if (isUtf16(bytes))
    return unreadable(finding('InvalidEncoding', 'is UTF-16 text, which Kubernetes does not read: save it as UTF-8'), signature);
  const text = bytes.toString('utf8');
  return { result: 'text', text: text.startsWith('\uFEFF') ? text.slice(1) : text, lossy: !isUtf8(bytes), signature };
}

function isUtf16(bytes: Buffer): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

function unreadable(finding: Finding, signature = UNKNOWN_SIGNATURE): FileReading {
  return { result: 'unreadable', finding, signature };
}
