import { closeSync, openSync } from 'node:fs';
import { BpfError } from './error.ts';
import { native } from './native.ts';

const EWOULDBLOCK = 11;

/** A folder that one process at a time has, in a BPF file system or elsewhere. It is free again when that process ends, however it does. */
export class FolderLock implements Disposable {
  #fd: number | undefined;

  /** @throws BpfError `locked` where another process has it, or what opening the folder throws */
  constructor(folder: string) {
    const fd = openSync(folder, 'r');
    const result = native().lock(fd);
    if (result < 0) {
      closeSync(fd);
      throw new BpfError('locked', `${folder} is in use by another process`, result === -EWOULDBLOCK ? {} : { errno: -result });
    }
    this.#fd = fd;
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
