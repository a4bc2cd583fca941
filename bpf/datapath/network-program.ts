import { rmSync } from 'node:fs';
import type { LoadedObject } from 'libbpf-ts';
import { replaceProgram } from './pinned-link.ts';

/** Of this process. */
const NETWORK = '/proc/self/ns/net';

/**
 * Puts a program to work on the network namespace of this process, in place of an older one, and lets it outlive the process.
 * @param path where its link is kept
 * @throws BpfError `attach-failed`
 */
export function attachToNetwork(loaded: LoadedObject, name: string, path: string): void {
  if (replaceProgram(loaded, path, name)) return;
  rmSync(path, { force: true });
  using link = loaded.program(name).attachToNetwork(NETWORK);
  link.pin(path);
}
