import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TestPod } from './pod-network.ts';

const PROCESS = fileURLToPath(new URL('talker-process.ts', import.meta.url));

const ANSWER_WITHIN_MS = 10_000;
const SILENCE_MS = 400;

type Transport = 'tcp' | 'udp';

/** What a talker is asked to do. */
export type Task =
  /** TCP and UDP, on every address: each says what it hears. */
  | { readonly kind: 'listen'; readonly port: number }
  | { readonly kind: 'ask'; readonly transport: Transport; readonly host: string; readonly port: number; readonly patienceMs: number }
  /** Connections that say something all the time, and others that are made one after the other. */
  | { readonly kind: 'keep-talking'; readonly host: string; readonly port: number; readonly streams: number }
  | { readonly kind: 'stop-talking' };

export interface TalkCounts {
  /** Answers that came by connections that stay open. */
  readonly streamed: number;
  /** Connections that were made and answered. */
  readonly connected: number;
  /** Connections of either kind that ended or failed. */
  readonly failed: number;
}

export type Answer = boolean | TalkCounts;

/** A process in a pod that talks to others. It ends with this one. */
export class Talker implements Disposable {
  readonly #process: ChildProcess;
  #last: Promise<unknown> = Promise.resolve();

  constructor(pod: TestPod) {
    const [program = '', ...args] = [...pod.enter, 'setpriv', '--pdeathsig', 'KILL', process.execPath, PROCESS];
    this.#process = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  async listen(port: number): Promise<void> {
    await this.#do({ kind: 'listen', port });
  }

  /** @returns whether there was an answer, for which it waits long enough for a busy machine */
  hears(host: string, port: number, transport: Transport = 'tcp'): Promise<boolean> {
    return this.#ask(transport, host, port, ANSWER_WITHIN_MS);
  }

  /** @returns whether nothing came in a time in which an answer that is let through would have */
  async hearsNothing(host: string, port: number, transport: Transport = 'tcp'): Promise<boolean> {
    return !(await this.#ask(transport, host, port, SILENCE_MS));
  }

  async keepTalking(host: string, port: number, streams: number): Promise<void> {
    await this.#do({ kind: 'keep-talking', host, port, streams });
  }

  async stopTalking(): Promise<TalkCounts> {
    const counts = await this.#do({ kind: 'stop-talking' });
    if (typeof counts === 'boolean') throw new Error('it did not talk');
    return counts;
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }

  async #ask(transport: Transport, host: string, port: number, patienceMs: number): Promise<boolean> {
    return (await this.#do({ kind: 'ask', transport, host, port, patienceMs })) === true;
  }

  #do(task: Task): Promise<Answer> {
    const answer = this.#last.then(async (): Promise<Answer> => {
      const answered = once(this.#process, 'message');
      this.#process.send(task);
      const [message] = await answered;
      return message;
    });
    this.#last = answer.catch(() => {});
    return answer;
  }
}
