import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Place, processIn } from '../lab/netns/index.ts';

const messageView = z.union([
  z.object({ id: z.int(), value: z.unknown().optional(), error: z.string().optional() }),
  z.object({ told: z.unknown() }),
]);

/**
 * A program of this folder that runs in a place of a lab, answers what it is asked over Node's channel, `{ id, request }`, by `{ id, value }` or
 * `{ id, error }`, and tells by itself `{ told }`.
 */
export class PlaceChild<Request> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #onTold: (told: unknown) => void;
  #last = 0;

  /**
   * @param program a file URL
   * @param within a command that runs it with less than everything, such as `setpriv` and its options
   */
  constructor(place: Place, program: URL, onTold: (told: unknown) => void = () => {}, within: readonly string[] = []) {
    this.#onTold = onTold;
    this.#child = place.spawn([...within, process.execPath, fileURLToPath(program)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (message) => this.#received(messageView.parse(message)));
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${fileURLToPath(program)} has ended`));
      this.#waiting.clear();
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

  /** Ends it without a word, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    process.kill(await processIn(this.#child), 'SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #received(message: z.infer<typeof messageView>): void {
    if ('told' in message) {
      this.#onTold(message.told);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.value);
    else waiting?.reject(new Error(message.error));
  }
}
