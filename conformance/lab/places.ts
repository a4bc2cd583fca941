import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from './lab-error.ts';

export interface Where {
  /** `client` (default), `router` or the name of a node. */
  readonly where?: string;
  /** Whether the files of that place are seen, too, such as a node's own `/var/lib`. `/proc` is the lab's then. Default: false. */
  readonly mounts?: boolean;
}

/**
 * The command that runs a command in a place of a lab. Only the network is the lab's, and the files where that is asked for: the
 * process is one of this machine's, to be signalled and awaited like any other.
 */
export function commandInside(
  folder: string,
  command: readonly string[],
  { where = 'client', mounts = false }: Where,
): readonly [string, ...string[]] {
  const first = `/proc/${firstProcess(folder)}`;
  const place = `${first}/root/run/lab/places/${where}`;
  const network = where === 'router' ? `${first}/ns/net` : `${place}/net`;
  const files = () => (where === 'router' || where === 'client' ? `${first}/ns/mnt` : `${threadOf(first, place)}/ns/mnt`);
  return ['nsenter', `--net=${network}`, ...(mounts ? [`--mount=${files()}`] : []), '--', ...command];
}

/** The thread that is in the namespaces of a node, which `thread` names as the lab sees it. */
function threadOf(first: string, place: string): string {
  const inside = readFileSync(`${place}/thread`, 'utf8');
  const found = readdirSync(`${first}/task`).find((thread) => {
    const status = readFileSync(`${first}/task/${thread}/status`, 'utf8');
    return /^NSpid:.*\t(\d+)$/m.exec(status)?.[1] === inside;
  });
  if (found === undefined) throw new LabError('not-found', `nothing is at ${place}`);
  return `${first}/task/${found}`;
}

/** In this machine's process namespace. */
function firstProcess(folder: string): number {
  try {
    return Number(readFileSync(join(folder, 'first.pid'), 'utf8'));
  } catch (cause) {
    throw new LabError('ended', 'the lab has ended', { cause });
  }
}
