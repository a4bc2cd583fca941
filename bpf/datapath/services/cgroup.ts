import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { areAttached, type CgroupPrograms } from '../cgroup-programs.ts';
import { ServiceDatapathError } from './error.ts';

/** Ways back before ways there: nothing is translated whose answer would not be. The other way round when they go. */
const NAMES = [
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

/** What translates Services. */
export const SERVICE_PROGRAMS: CgroupPrograms = { names: NAMES, folderPrefix: 'service_links_' };

/** Whether Services are translated, by whoever. @param pinFolder where the links are kept */
export function areServicesAttached(pinFolder: string): boolean {
  return areAttached(SERVICE_PROGRAMS, pinFolder);
}

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

/** Blanks and backslashes stand as octal numbers there. */
function unescapePath(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}
