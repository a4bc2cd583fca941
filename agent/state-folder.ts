import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';
import { replaceFile } from './replace-file.ts';

/** `sockaddr_un.sun_path` has 108 bytes, the last of which is zero. */
const MAX_SOCKET_PATH = 107;
const LOCK = /^lock\.(?<pid>\d+)\.(?<startedAt>.+)$/;

/** What is remembered of the Envoy that runs on a state folder, so that the next Sluice can adopt it. */
const envoyRecord = z.object({
  pid: z.int().positive(),
  startedAt: z.string(),
  version: z.string(),
  /** Of everything that Envoy was started with; another one means that it has to be started anew. */
  fingerprint: z.string(),
  /** Where its words begin in the log. */
  logOffset: z.int().nonnegative(),
});
export type EnvoyRecord = Readonly<z.output<typeof envoyRecord>>;

export type StateFolderErrorCode =
  /** Another Sluice works in this folder; its process is `holder`. */
  | 'in-use'
  /** The Unix sockets in it would have longer paths than the system allows. */
  | 'path-too-long'
  /** The folder cannot be made or written to. */
  | 'not-writable';

export class StateFolderError extends Error {
  override readonly name = 'StateFolderError';
  readonly code: StateFolderErrorCode;
  readonly holder: number | undefined;

  constructor(code: StateFolderErrorCode, message: string, options: { readonly holder?: number; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.holder = options.holder;
  }
}

/**
 * The folder that outlives a Sluice: it holds what the next one needs to find the Envoy that still runs, and is for one
 * Sluice at a time.
 */
export class StateFolder implements Disposable {
  readonly path: string;
  readonly xdsSocket: string;
  readonly adminSocket: string;
  readonly bootstrap: string;
  readonly envoyLog: string;
  readonly #record: string;
  readonly #lock: string;

  private constructor(path: string, lock: string) {
    this.path = path;
    this.xdsSocket = join(path, 'xds.sock');
    this.adminSocket = join(path, 'admin.sock');
    this.bootstrap = join(path, 'bootstrap.json');
    this.envoyLog = join(path, 'envoy.log');
    this.#record = join(path, 'envoy.json');
    this.#lock = lock;
  }

  /**
   * Makes the folder, readable by its owner only, and takes it. A Sluice that was killed does not keep it.
   * @throws StateFolderError
   */
  static open(path: string): StateFolder {
    const real = makeFolder(path);
    const longest = join(real, 'admin.sock');
    if (Buffer.byteLength(longest) > MAX_SOCKET_PATH) {
      const message = `the path of the state folder is too long: ${longest} has ${Buffer.byteLength(longest)} bytes, a Unix socket may have ${MAX_SOCKET_PATH}`;
      throw new StateFolderError('path-too-long', message);
    }
    const folder = new StateFolder(real, takeLock(real));
    // Whoever listened on it is gone, or it would hold the lock; a socket in the way would refuse the next who listens.
    rmSync(folder.xdsSocket, { force: true });
    return folder;
  }

  /** The Envoy that runs on this folder; undefined if none is remembered or the one that is has ended. */
  findEnvoy(): EnvoyRecord | undefined {
    try {
      const record = envoyRecord.parse(JSON.parse(readFileSync(this.#record, 'utf8')));
      return isAlive(record) ? record : undefined;
    } catch {
      return undefined;
    }
  }

  rememberEnvoy(record: EnvoyRecord): void {
    replaceFile(this.#record, `${JSON.stringify(record)}\n`);
  }

  forgetEnvoy(): void {
    rmSync(this.#record, { force: true });
  }

  writeBootstrap(json: string): void {
    replaceFile(this.bootstrap, json);
  }

  /** Gives the folder free for another Sluice. */
  release(): void {
    rmSync(this.#lock, { force: true });
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function makeFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return realpathSync(path);
  } catch (cause) {
    throw new StateFolderError('not-writable', `cannot make the state folder ${path}: ${reason(cause)}`, { cause });
  }
}

/**
 * Each process has a lock of its own name, and looks at the others' only after its own is there. So of two that start at
 * once, at most one goes on, and removing the lock of a dead process can never remove that of a live one.
 */
function takeLock(folder: string): string {
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new Error('this process is not in /proc');
  const name = lockName(self);
  const path = join(folder, name);
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (cause) {
    if (hasCode(cause, 'EEXIST')) throw inUse(folder, process.pid);
    throw new StateFolderError('not-writable', `cannot write to the state folder ${folder}: ${reason(cause)}`, { cause });
  }
  for (const other of readdirSync(folder).filter((entry) => entry !== name)) {
    const holder = lockHolder(other);
    if (holder === undefined) continue;
    if (isAlive(holder)) {
      rmSync(path, { force: true });
      throw inUse(folder, holder.pid);
    }
    rmSync(join(folder, other), { force: true });
  }
  return path;
}

function lockName({ pid, startedAt }: ProcessIdentity): string {
  return `lock.${pid}.${startedAt}`;
}

function lockHolder(fileName: string): ProcessIdentity | undefined {
  const { pid, startedAt } = LOCK.exec(fileName)?.groups ?? {};
  return pid === undefined || startedAt === undefined ? undefined : { pid: Number(pid), startedAt };
}

function inUse(folder: string, holder: number): StateFolderError {
  return new StateFolderError('in-use', `the state folder ${folder} is in use by another Sluice (pid ${holder})`, { holder });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
