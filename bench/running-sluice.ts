import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../testkit/ports.ts';
import { cpuMsOf, type Memory, memoryOf } from './process-cost.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const START_LIMIT_MS = 120_000;

export interface Pauses {
  readonly max: number;
  readonly p99: number;
}

/** The real command on a folder of manifests, with a real Envoy of one worker. */
export class RunningSluice {
  readonly httpPort: number;
  readonly startToReadyMs: number;
  readonly #child: ChildProcess;
  readonly #adminPort: number;
  readonly #state: string;

  private constructor(child: ChildProcess, httpPort: number, adminPort: number, state: string, startToReadyMs: number) {
    this.#child = child;
    this.httpPort = httpPort;
    this.#adminPort = adminPort;
    this.#state = state;
    this.startToReadyMs = startToReadyMs;
  }

  /** @param settings default: those of this folder */
  static async start(manifests: string, state: string, settings = join(ROOT, 'bench/sluice.yaml')): Promise<RunningSluice> {
    const [httpPort = 0, httpsPort = 0, adminPort = 0] = await freePorts(3);
    const log = openSync(`${state}.log`, 'w');
    const ports = ['--http-port', httpPort, '--https-port', httpsPort, '--admin-port', adminPort].map(String);
    const arguments_ = ['run', '--manifests', manifests, '--state-dir', state, '--config', settings];
    const startedAt = performance.now();
    const child = spawn(join(ROOT, 'cli/bin/sluice'), [...arguments_, ...ports], {
      stdio: ['ignore', log, log],
      env: { ...process.env, NODE_OPTIONS: `--import ${join(ROOT, 'bench/event-loop-probe.ts')}`, SLUICE_BENCH_PAUSES: `${state}.pauses` },
    });
    while (!(await isReady(adminPort))) {
      if (child.exitCode !== null) throw new Error(`sluice run ended with ${child.exitCode}; see ${state}.log`);
      if (performance.now() - startedAt > START_LIMIT_MS) throw new Error(`not ready after ${START_LIMIT_MS} ms; see ${state}.log`);
      await sleep(20);
    }
    return new RunningSluice(child, httpPort, adminPort, state, performance.now() - startedAt);
  }

  /** Of the control plane. */
  memory(): Memory {
    return memoryOf(this.#child.pid ?? 0);
  }

  envoyMemory(): Memory {
    return memoryOf(this.#envoyPid());
  }

  /** Processor time that Envoy has used, in milliseconds. */
  envoyCpuMs(): number {
    return cpuMsOf(this.#envoyPid());
  }

  /** Of the processes, by what they are called. */
  pids(): Readonly<Record<string, number>> {
    return { sluice: this.#child.pid ?? 0, Envoy: this.#envoyPid() };
  }

  #envoyPid(): number {
    const { pid }: { pid: number } = JSON.parse(readFileSync(join(this.#state, 'envoy.json'), 'utf8'));
    return pid;
  }

  /** The event loop's pauses since this was last asked. */
  async pauses(): Promise<Pauses> {
    const report = `${this.#state}.pauses`;
    rmSync(report, { force: true });
    this.#child.kill('SIGUSR2');
    while (!existsSync(report) || readFileSync(report).length === 0) await sleep(5);
    return JSON.parse(readFileSync(report, 'utf8'));
  }

  /** Prometheus text. */
  async metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#adminPort}/metrics`)).text();
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }
}

async function isReady(adminPort: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok;
  } catch {
    return false; // Not listening yet.
  }
}
