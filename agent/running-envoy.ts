import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvoyError } from './envoy-error.ts';
import { identifyProcess, isAlive, type ProcessIdentity, signalProcess } from './process-identity.ts';

const POLL_MS = 100;

/** How a process ended; both undefined for one that is not our child, of which the system tells only that it is gone. */
export interface EnvoyExit {
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

/** An Envoy that was started by this process or by one before it. */
export interface RunningEnvoy {
  readonly identity: ProcessIdentity;
  /** Stays open after `release`. */
  readonly exited: Promise<EnvoyExit>;
  signal(signal: NodeJS.Signals): void;
  /** Stops watching it, so that this process may end before it does. */
  release(): void;
}

/**
 * Starts Envoy in a session of its own, where neither our end nor the terminal's Ctrl-C reaches it. Its standard output is
 * ours, for the access log.
 * @throws EnvoyError `not-executable`
 */
export function spawnEnvoy(
  binary: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly logFd: number },
): RunningEnvoy {
  const child = spawn(binary, args, { detached: true, cwd: options.cwd, stdio: ['ignore', 'inherit', options.logFd] });
  // Both ways of failing are seen without it: there is no process id, and a signal has no effect.
  child.on('error', () => {});
  const { pid } = child;
  if (pid === undefined) {
    throw new EnvoyError('not-executable', `cannot run Envoy at ${binary}`);
  }
  const exited = new Promise<EnvoyExit>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  // One that has ended already has no identity: the empty time is that of no process.
  const identity = identifyProcess(pid) ?? { pid, startedAt: '' };
  return { identity, exited, signal: (signal) => void child.kill(signal), release: () => child.unref() };
}

/** Watches a process that is not a child of ours. */
export function watchEnvoy(identity: ProcessIdentity): RunningEnvoy {
  const released = new AbortController();
  return {
    identity,
    exited: untilGone(identity, released.signal),
    signal: (signal) => signalProcess(identity, signal),
    release: () => released.abort(),
  };
}

async function untilGone(identity: ProcessIdentity, released: AbortSignal): Promise<EnvoyExit> {
  while (isAlive(identity)) {
    try {
      await sleep(POLL_MS, undefined, { signal: released });
    } catch {
      return await new Promise<never>(() => {});
    }
  }
  return { code: undefined, signal: undefined };
}
