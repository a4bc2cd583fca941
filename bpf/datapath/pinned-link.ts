import { BpfError, Link, type LoadedObject } from 'libbpf-ts';

/**
 * Puts a program in the place of the one that a link has, which goes on without a gap.
 * @param path where the link is kept
 * @returns false where there is no link, or one of something that is gone: it is to be made anew
 */
export function replaceProgram(loaded: LoadedObject, path: string, name: string): boolean {
  try {
    using link = Link.openPinned(path);
    link.update(loaded.program(name));
    return true;
  } catch (error) {
    if (error instanceof BpfError && (error.code === 'not-found' || error.code === 'attach-failed')) return false;
    throw error;
  }
}
