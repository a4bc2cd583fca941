import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedObject } from 'libbpf-ts';
import { replaceProgram } from './pinned-link.ts';

/** Programs on the sockets of a cgroup that work together, and how the folders of their links begin. */
export interface CgroupPrograms {
  /** In the order in which they are put to work; they go in the other. */
  readonly names: readonly string[];
  readonly folderPrefix: string;
}

/**
 * Puts all programs to work on sockets of a cgroup and those below it, in place of older ones, and lets them outlive this process.
 * @param pinFolder the folder of the BPF file system where links are kept
 * @throws BpfError `attach-failed`
 */
export function attachToCgroup(programs: CgroupPrograms, loaded: LoadedObject, pinFolder: string, cgroup: string): void {
  const folder = join(pinFolder, `${programs.folderPrefix}${statSync(cgroup, { bigint: true }).ino}`);
  mkdirSync(folder, { recursive: true });
  for (const name of programs.names) {
    const path = join(folder, name);
    if (replaceProgram(loaded, path, name)) continue;
    rmSync(path, { force: true });
    using link = loaded.program(name).attachToCgroup(cgroup);
    link.pin(path);
  }
  for (const other of linkFolders(programs, pinFolder)) if (other !== folder) removeLinks(programs, other);
}

/** Ends what was attached, whoever did. @param pinFolder as above */
export function detachFromCgroups(programs: CgroupPrograms, pinFolder: string): void {
  for (const folder of linkFolders(programs, pinFolder)) removeLinks(programs, folder);
}

/** Whether all programs were put to work, by whoever. @param pinFolder as above */
export function areAttached(programs: CgroupPrograms, pinFolder: string): boolean {
  const [last = ''] = programs.names.toReversed();
  return linkFolders(programs, pinFolder).some((folder) => existsSync(join(folder, last)));
}

function linkFolders({ folderPrefix }: CgroupPrograms, pinFolder: string): readonly string[] {
  if (!existsSync(pinFolder)) return [];
  return readdirSync(pinFolder).flatMap((name) => (name.startsWith(folderPrefix) ? [join(pinFolder, name)] : []));
}

function removeLinks({ names }: CgroupPrograms, folder: string): void {
  for (const name of names.toReversed()) rmSync(join(folder, name), { force: true });
  rmSync(folder, { recursive: true, force: true });
}
