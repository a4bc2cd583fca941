import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LabError } from './lab-error.ts';

/** What is known of a lab from outside, in its state folder's `lab.json`. */
export interface LabRecord {
  readonly name: string;
  readonly nodes: number;
  readonly port: number;
  readonly keeper: ProcessIdentity;
}

/** Identifiers are used again, so when a process started is part of its identity. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: string;
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** The folder with the state folders of all labs, by name. */
export function stateRoot(): string {
  return join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'sluice', 'lab');
}

/** Makes a lab's state folder, kept by this process until another is written down. @throws LabError `exists` where a lab of that name runs; `refused` for a bad name */
export function claimState(root: string, name: string): string {
  if (!NAME.test(name)) throw new LabError('refused', `"${name}" cannot be a lab's name: small letters, digits and dashes, 40 at most`);
  const folder = join(root, name);
  removeIfDead(folder);
  mkdirSync(root, { recursive: true });
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    throw new LabError('exists', `there is a lab named ${name} already`, { cause });
  }
  writeRecord(folder, { name, nodes: 0, port: 0, keeper: identityOf(process.pid) });
  for (const part of ['etc', 'log']) mkdirSync(join(folder, part));
  return folder;
}

export function writeRecord(folder: string, record: LabRecord): void {
  writeFileSync(join(folder, 'lab.json'), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** @throws LabError `not-found` */
export function readRecord(folder: string, name: string): LabRecord {
  const record = tryReadRecord(folder);
  if (record === undefined || !isAlive(record.keeper)) throw new LabError('not-found', `no lab named ${name} is running`);
  return record;
}

/** The labs that run. What is left of others, whose machine or keeper was killed, is removed. */
export function listLabs(root: string): readonly LabRecord[] {
  if (!existsSync(root)) return [];
  const folders = readdirSync(root).map((name) => join(root, name));
  for (const folder of folders) removeIfDead(folder);
  return folders.map(tryReadRecord).filter((record) => record !== undefined);
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, started: startTime(pid) ?? '' };
}

export function isAlive({ pid, started }: ProcessIdentity): boolean {
  return startTime(pid) === started;
}

function removeIfDead(folder: string): void {
  const record = tryReadRecord(folder);
  if (record !== undefined && !isAlive(record.keeper)) rmSync(folder, { recursive: true, force: true });
}

function tryReadRecord(folder: string): LabRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'lab.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Undefined for a process that is not there or only waits to be reaped. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the command in parentheses, may itself hold spaces; the state is the third and the start time the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
