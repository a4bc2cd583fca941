import { BpfError } from 'libbpf-ts';
import { DatapathError } from './error.ts';

/** Tells a table that is full from other things that may go wrong when it is written to. @throws DatapathError `maps-full` or `refused` */
export async function fullWhere<T>(table: string, write: () => Promise<T> | T): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw writeError(table, cause);
  }
}

/** What to throw where a table was not written to; that itself where it is not the kernel that refused. */
export function writeError(table: string, cause: unknown): unknown {
  if (!(cause instanceof BpfError)) return cause;
  const isFull = cause.errnoName === 'E2BIG' || cause.errnoName === 'ENOSPC';
  if (isFull) return new DatapathError('maps-full', `the kernel's table ${table} is full; make it larger by its size`, { cause });
  return new DatapathError(cause.code === 'closed' ? 'closed' : 'refused', `the kernel's table ${table} was not written to`, { cause });
}
