import { BpfError } from './error.ts';

/** Whose file descriptors are used. Whoever holds one of them holds its owner, so that it is not closed by chance. */
export interface Owner {
  readonly name: string;
  readonly isClosed: boolean;
}

/** @throws BpfError `closed`: the number of a file descriptor that was closed may be somebody else's by now */
export function checkOpen(owner: Owner): void {
  if (owner.isClosed) throw new BpfError('closed', `${owner.name} was disposed of`);
}
