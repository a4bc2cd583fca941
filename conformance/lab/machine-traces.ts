import { existsSync, globSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { cgroupRoot } from './netns/keeper.ts';
import { identityOf, isAlive, type ProcessIdentity } from './state.ts';

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts'] as const;

/** What a lab has on this machine. */
export interface Holdings {
  readonly processes: readonly ProcessIdentity[];
  /** Such as `net:[4026532000]`, without those of this process. */
  readonly namespaces: ReadonlySet<string>;
  readonly folder: string;
  /** The folders of control groups of version 2, from the lab's own on; none where no tree is mounted here. */
  readonly controlGroups: readonly string[];
}

/** The command lines of what is in a control group, at this moment. */
export function programsIn(controlGroup: string): readonly (readonly string[])[] {
  const members = read(`${controlGroup}/cgroup.procs`).trim().split('\n');
  return members.map((pid) => read(`/proc/${pid}/cmdline`).split('\0'));
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
  const controlGroups = globSync(`${cgroupRoot()}/sluice-lab-${keeper}-*/**/`);
  return { processes: processes.map((pid) => identityOf(Number(pid))), namespaces, folder, controlGroups };
}

/** What is left of it, a line each. */
export function remains({ processes, namespaces, folder, controlGroups }: Holdings): readonly string[] {
  const alive = processes.filter(isAlive).map(({ pid }) => `process ${pid}`);
  const used = pids().filter((pid) => namespacesOf(pid).some((namespace) => namespaces.has(namespace)));
  const folders = [folder, ...controlGroups].filter((path) => existsSync(path));
  return [...alive, ...used.map((pid) => `process ${pid} in a namespace`), ...folders.map((path) => `folder ${path}`)];
}

export function readMachine(): Machine {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map(withoutIdentifiers);
  const groups = globSync('/sys/fs/cgroup/*/**/');
  return {
    mounts: mounts.filter((line) => /nsfs|\/lab\b/.test(line)).sort(),
    links: readdirSync('/sys/class/net')
      .filter((name) => /^(client|node-|pod|veth)/.test(name))
      .sort(),
    controlGroups: groups.filter((path) => /kube|lab|pod/.test(path) && !/\/sluice-(lab|netns)-/.test(path)).sort(),
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
