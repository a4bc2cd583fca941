import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BpfError, Link, type LoadedObject } from 'libbpf-ts';
import { ServiceDatapathError } from './error.ts';

/** Ways back before ways there: nothing is translated whose answer would not be. The other way round when they go. */
const PROGRAMS = [
  'service_getpeername4',
  'service_getpeername6',
  'service_recvmsg4',
  'service_recvmsg6',
  'service_egress',
  'service_sendmsg4',
  'service_sendmsg6',
  'service_connect4',
  'service_connect6',
] as const;

const LINKS = 'service_links_';

/**
 * The cgroup that all processes of the machine are in, also where only some controllers are of version 2 (a hybrid layout: the tree of
 * version 2 has all processes there, too).
 * @param mountInfo as `/proc/self/mountinfo`
 * @throws ServiceDatapathError `no-cgroup`, as in a container that sees its own part of the tree only
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html
 */
export function findRootCgroup(mountInfo = readFileSync('/proc/self/mountinfo', 'utf8')): string {
  const folders = mountInfo.split('\n').flatMap((line) => {
    const [mount = '', fileSystem = ''] = line.split(' - ');
    const folder = mount.split(' ')[4];
    return folder !== undefined && fileSystem.startsWith('cgroup2 ') ? [unescapePath(folder)] : [];
  });
  // Every cgroup has this file, except for the root of all.
  const root = folders.find((folder) => existsSync(folder) && !existsSync(join(folder, 'cgroup.events')));
  if (root !== undefined) return root;
  const seen = folders.length > 0 ? `${folders.join(' and ')} ${folders.length > 1 ? 'are parts' : 'is a part'} of it` : 'none is mounted';
  throw new ServiceDatapathError('no-cgroup', `the cgroup tree of version 2 is needed as a whole: ${seen}`);
}

/**
 * Puts all programs to work on sockets of a cgroup and those below it, in place of older ones, and lets them outlive this process.
 * @param pinFolder the folder of the BPF file system where links are kept
 * @throws BpfError `attach-failed`
 */
export function attachPrograms(loaded: LoadedObject, pinFolder: string, cgroup: string): void {
  const folder = join(pinFolder, `${LINKS}${statSync(cgroup, { bigint: true }).ino}`);
  mkdirSync(folder, { recursive: true });
  for (const name of PROGRAMS) {
    const path = join(folder, name);
    if (replaceProgram(loaded, path, name)) continue;
    rmSync(path, { force: true });
    using link = loaded.program(name).attachToCgroup(cgroup);
    link.pin(path);
  }
  for (const other of linkFolders(pinFolder)) if (other !== folder) removeLinks(other);
}

/** Ends what was attached, whoever did. @param pinFolder as above */
export function detachPrograms(pinFolder: string): void {
  for (const folder of linkFolders(pinFolder)) removeLinks(folder);
}

/** Whether all programs were put to work, by whoever. @param pinFolder as above */
export function areServicesAttached(pinFolder: string): boolean {
  const [last = ''] = PROGRAMS.toReversed();
  return linkFolders(pinFolder).some((folder) => existsSync(join(folder, last)));
}

/** @returns false where there is no link, or one of a cgroup that is gone */
function replaceProgram(loaded: LoadedObject, path: string, name: string): boolean {
  try {
    using link = Link.openPinned(path);
    link.update(loaded.program(name));
    return true;
  } catch (error) {
    if (error instanceof BpfError && (error.code === 'not-found' || error.code === 'attach-failed')) return false;
    throw error;
  }
}

function linkFolders(pinFolder: string): readonly string[] {
  if (!existsSync(pinFolder)) return [];
  return readdirSync(pinFolder).flatMap((name) => (name.startsWith(LINKS) ? [join(pinFolder, name)] : []));
}

function removeLinks(folder: string): void {
  for (const name of PROGRAMS.toReversed()) rmSync(join(folder, name), { force: true });
  rmSync(folder, { recursive: true, force: true });
}

/** Blanks and backslashes stand as octal numbers there. */
function unescapePath(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}
