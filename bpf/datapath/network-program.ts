import { existsSync, rmSync } from 'node:fs';
import { BpfError, Link, type LoadedObject } from 'libbpf-ts';

/** Of this process. */
const NETWORK = '/proc/self/ns/net';

/**
 * Puts a program to work on the network namespace of this process, in place of an older one, and lets it outlive the process.
 * @param path where its link is kept
 * @throws BpfError `attach-failed`
 */
export function attachToNetwork(loaded: LoadedObject, name: string, path: string): void {
  if (existsSync(path) && replaceProgram(loaded, name, path)) return;
  rmSync(path, { force: true });
  using link = loaded.program(name).attachToNetwork(NETWORK);
  link.pin(path);
}

/** @returns false where the link is of a network that is gone */
function replaceProgram(loaded: LoadedObject, name: string, path: string): boolean {
  try {
    using link = Link.openPinned(path);
    link.update(loaded.program(name));
    return true;
  } catch (error) {
    if (error instanceof BpfError && (error.code === 'not-found' || error.code === 'attach-failed')) return false;
    throw error;
  }
}
