import { spawn } from 'node:child_process';
import { z } from 'zod';
import { ASKED_STDIO, AskedProgram } from '../../../testkit/asked-program.ts';
import type { TestPod } from './pod-network.ts';
import type { PeerTask } from './stream-peer-process.ts';

const PROCESS = new URL('stream-peer-process.ts', import.meta.url);
/** Enough for a machine that has other things to do. */
const PATIENCE_MS = 20_000;
const servedView = z.object({ connections: z.int(), bytes: z.int() });

/** A process in a pod that has connections of TCP, each by a name. */
export class StreamPeer implements AsyncDisposable {
  readonly #program: AskedProgram<PeerTask>;

  /** @param where without a way to enter: on the node */
  constructor({ enter }: Pick<TestPod, 'enter'>) {
    const [command = '', ...args] = [...enter, 'setpriv', '--pdeathsig', 'KILL', process.execPath, PROCESS.pathname];
    this.#program = new AskedProgram({ program: PROCESS, child: spawn(command, args, { stdio: ASKED_STDIO }) });
  }

  /**
   * Answers each line: `who` by the address and port that it came from, `send N` by so many bytes, `wait` after a while; `leave` by
   * ending its half; all else by itself; and the end by `bye`. Also
   * where the other side has ended its half.
   */
  async serve(port: number): Promise<void> {
    await this.#program.ask({ kind: 'serve', port });
  }

  /** What came to it as a server: connections, those of them that a proxy opened, and bytes. */
  async served(): Promise<z.infer<typeof servedView>> {
    return servedView.parse(await this.#program.ask({ kind: 'served' }));
  }

  /** @returns `connected`, the code of the error, or `timeout` */
  async connect(
    name: string,
    host: string,
    port: number,
    { localPort, patienceMs = PATIENCE_MS }: { readonly localPort?: number; readonly patienceMs?: number } = {},
  ): Promise<string> {
    return await this.#text({ kind: 'connect', name, host, port, patienceMs, ...(localPort !== undefined && { localPort }) });
  }

  /** @returns the answer; or how the connection ended: `end`, or the code of an error; or `timeout` */
  async ask(name: string, line: string, patienceMs = PATIENCE_MS): Promise<string> {
    return await this.#text({ kind: 'ask', name, line, patienceMs });
  }

  /** Ends this half, and waits for the other side to do so. @returns what it said, or the code of an error */
  async finish(name: string): Promise<string> {
    return await this.#text({ kind: 'finish', name });
  }

  /** @returns how the connection ended, which may be later: `end`, or the code of an error */
  async ended(name: string): Promise<string> {
    return await this.#text({ kind: 'ended', name });
  }

  async close(name: string): Promise<void> {
    await this.#program.ask({ kind: 'close', name });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.kill();
  }

  async #text(task: PeerTask): Promise<string> {
    return z.string().parse(await this.#program.ask(task));
  }
}
