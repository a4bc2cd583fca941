import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { RunningLab, Where } from '../lab/index.ts';

const answerView = z.object({ id: z.int(), value: z.unknown().optional(), error: z.string().optional() });

/** A program of this folder that runs in the network of a place of a lab and answers what it is asked over Node's channel. */
export class LabChild<Request> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  /** @param program a file URL */
  constructor(lab: RunningLab, program: URL, where: Where = {}, args: readonly string[] = []) {
    this.#child = lab.spawn([process.execPath, fileURLToPath(program), ...args], {
      ...where,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message) => this.#answered(answerView.parse(message)));
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${fileURLToPath(program)} has ended`));
    });
  }

  /** @throws what the program could not do, or where it has ended */
  async ask(request: Request): Promise<unknown> {
    this.#last += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#last, waiting);
    this.#child.send({ id: this.#last, request });
    return await waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #answered({ id, value, error }: z.infer<typeof answerView>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}
