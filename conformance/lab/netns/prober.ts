import { type ChildProcess, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LabError } from '../lab-error.ts';

const SOURCES = fileURLToPath(new URL('prober', import.meta.url));
const BUILT = fileURLToPath(new URL('../../../.build/netns-prober', import.meta.url));

/** `refused`: somebody said no; `unreachable`: there is no way; `timedOut`: nobody said anything. */
export const OUTCOMES = ['answered', 'refused', 'timedOut', 'unreachable'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export type ProbeProtocol = 'TCP' | 'UDP' | 'ICMP';

export interface Probe {
  readonly to: string;
  /** Of no use for ICMP, which is an echo request of the address' family. */
  readonly port?: number;
  readonly protocol: ProbeProtocol;
  /** Default: what the kernel chooses. */
  readonly from?: string;
  /** Default: {@link TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

export interface StreamState {
  /** That came back. */
  readonly bytes: number;
  /** `open`, or the error that broke it, such as `ETIMEDOUT`. */
  readonly state: string;
  /** Since the last byte came back. */
  readonly silentMs: number;
}

export const TIMEOUT_MS = 1_000;
/** How long a connection lives on while nothing is acknowledged. */
const STREAM_TIMEOUT_MS = 2_000;

/** Compiles the prober, unless it is there. Gives its path. @throws LabError `build-failed` */
export async function buildProber(): Promise<string> {
  const sources = globSync('*.[ch]', { cwd: SOURCES }).sort();
  const hash = createHash('sha256');
  for (const source of sources) hash.update(readFileSync(join(SOURCES, source)));
  const program = join(BUILT, hash.digest('hex').slice(0, 16));
  if (existsSync(program)) return program;
  mkdirSync(BUILT, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const files = sources.filter((source) => source.endsWith('.c'));
  try {
    await promisify(execFile)('clang', ['-O2', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', ...files, '-o', unfinished], {
      cwd: SOURCES,
    });
  } catch (cause) {
    throw new LabError('build-failed', 'the prober was not compiled', { cause });
  }
  renameSync(unfinished, program);
  return program;
}

/** A process in a place of the lab that is its clients and servers, see `prober/prober.h`. */
export class Prober {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<string, PromiseWithResolvers<string>>();
  #last = 0;

  /** @param child with pipes as standard input and output */
  constructor(child: ChildProcess) {
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new LabError('refused', 'a prober talks by pipes');
    this.#process = child;
    stdin.on('error', () => {});
    createInterface(stdout).on('line', (line) => this.#answered(line));
    child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new LabError('ended', 'a prober has ended'));
      this.#waiting.clear();
    });
  }

  async probe({ to, port = 0, protocol, from = '-', timeoutMs = TIMEOUT_MS }: Probe): Promise<Outcome> {
    const answer = await this.#ask(`probe ${protocol} ${to} ${port} ${from} ${timeoutMs}`);
    const outcome = OUTCOMES.find((each) => each === answer);
    if (outcome === undefined) throw new LabError('refused', `probe of ${protocol} ${to} ${port}: ${answer}`);
    return outcome;
  }

  /** Echoes on a port of all addresses until told otherwise. */
  async serve(protocol: 'TCP' | 'UDP', ...ports: readonly number[]): Promise<void> {
    await Promise.all(ports.map((port) => this.#do(`serve ${protocol} ${port}`)));
  }

  async serveNoMore(protocol: 'TCP' | 'UDP', ...ports: readonly number[]): Promise<void> {
    await Promise.all(ports.map((port) => this.#do(`serve-no-more ${protocol} ${port}`)));
  }

  /** Opens a TCP connection to an echo server that is never idle for long. @throws LabError `refused`, with the outcome, where it does not open */
  async stream({ to, port = 0, from = '-', timeoutMs = STREAM_TIMEOUT_MS }: Omit<Probe, 'protocol'>): Promise<Stream> {
    const answer = await this.#ask(`stream ${to} ${port} ${from} ${timeoutMs}`);
    const [, number] = /^opened (\d+)$/.exec(answer) ?? [];
    if (number === undefined) throw new LabError('refused', `stream to ${to} ${port}: ${answer}`);
    return new Stream((command) => this.#ask(`${command} ${number}`));
  }

  /** Sends a packet from its IP header on, whatever it says. @throws LabError `refused` where the kernel does not take it */
  async sendPacket(packet: Uint8Array): Promise<void> {
    await this.#do(`packet ${Buffer.from(packet).toString('hex')}`);
  }

  /** Sends a frame from its Ethernet header on. @throws LabError `refused` */
  async sendFrame(device: string, frame: Uint8Array): Promise<void> {
    await this.#do(`frame ${device} ${Buffer.from(frame).toString('hex')}`);
  }

  /** Forgets what has arrived, and keeps what arrives from now on: the last thousand packets, half a kilobyte of each. */
  async capture(): Promise<void> {
    await this.#do('capture');
  }

  /** How many packets that arrived since {@link capture} hold these bytes. */
  async captured(bytes: Uint8Array): Promise<number> {
    return Number(await this.#ask(`captured ${Buffer.from(bytes).toString('hex')}`));
  }

  /** Ends when it is told nothing more. */
  end(): void {
    this.#process.stdin?.end();
  }

  async #do(command: string): Promise<void> {
    const answer = await this.#ask(command);
    if (answer !== 'done') throw new LabError('refused', `${command.slice(0, 100)}: ${answer}`);
  }

  async #ask(command: string): Promise<string> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) throw new LabError('ended', 'the prober has ended');
    this.#last += 1;
    const waiting = Promise.withResolvers<string>();
    this.#waiting.set(String(this.#last), waiting);
    this.#process.stdin?.write(`${this.#last} ${command}\n`);
    return await waiting.promise;
  }

  #answered(line: string): void {
    const space = line.indexOf(' ');
    const id = line.slice(0, space);
    this.#waiting.get(id)?.resolve(line.slice(space + 1));
    this.#waiting.delete(id);
  }
}

/** A TCP connection that is in use all the time. */
export class Stream {
  readonly #ask: (command: string) => Promise<string>;

  constructor(ask: (command: string) => Promise<string>) {
    this.#ask = ask;
  }

  async state(): Promise<StreamState> {
    const [bytes, state, silentMs] = (await this.#ask('streamed')).split(' ');
    if (state === undefined) throw new LabError('refused', 'no such stream');
    return { bytes: Number(bytes), state, silentMs: Number(silentMs) };
  }

  async close(): Promise<void> {
    await this.#ask('close');
  }
}
