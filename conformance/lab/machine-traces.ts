import { existsSync, globSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { identityOf, isAlive, type ProcessIdentity } from './state.ts';

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts'] as const;

/** What a lab has on this machine. */
export interface Holdings {
  readonly processes: readonly ProcessIdentity[];
  /** Such as `net:[4026532000]`, without those of this process. */
  readonly namespaces: ReadonlySet<string>;
  readonly folder: string;
}

/** What of the machine is or could be a lab's, and nobody else's who is at work at the same time. */
export interface Machine {
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly controlGroups: readonly string[];
}

/** @param keeper the process that all of a lab's come from */
export function readHoldings(keeper: number, folder: string): Holdings {
  const processes = withDescendants(keeper);
  const own = new Set(namespacesOf('self'));
  const namespaces = new Set(processes.flatMap((pid) => namespacesOf(pid)).filter((namespace) => !own.has(namespace)));
  return { processes: processes.map((pid) => identityOf(Number(pid))), namespaces, folder };
}

/** What is left of it, a line each. */
export function remains({ processes, namespaces, folder }: Holdings): readonly string[] {
  const alive = processes.filter(isAlive).map(({ pid }) => `process ${pid}`);
  const used = pids().filter((pid) => namespacesOf(pid).some((namespace) => namespaces.has(namespace)));
  const files = existsSync(folder) ? [`folder ${folder}`] : [];
  return [...alive, ...used.map((pid) => `process ${pid} in a namespace`), ...files];
}

export function readMachine(): Machine {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map(withoutIdentifiers);
  const groups = globSync('/sys/fs/cgroup/*/**/');
  return {
    mounts: mounts.filter((line) => /nsfs|\/lab\b/.test(line)).sort(),
    links: readdirSync('/sys/class/net')
      .filter((name) => /^(client|node-|pod|veth)/.test(name))
      .sort(),
    controlGroups: groups.filter((path) => /kube|lab|pod/.test(path)).sort(),
  };
}

function withDescendants(pid: number): readonly string[] {
  const parents = new Map(pids().map((each) => [each, parentOf(each)]));
  const found = [String(pid)];
  for (const parent of found) for (const [child, its] of parents) if (its === parent) found.push(child);
  return found;
}

function parentOf(pid: string): string {
  return /^PPid:\t(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '';
}

function namespacesOf(pid: string): readonly string[] {
  try {
    return NAMESPACES.map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
  } catch {
    return [];
  }
}

function pids(): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function withoutIdentifiers(line: string): string {
  return line.split(' ').slice(2).join(' ');
}
