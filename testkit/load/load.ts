import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangeLog } from './change-log.ts';
import type { Answer, LoadClient } from './clients.ts';
import type { Target } from './target.ts';

/** Most requests are short; some, of this part, are under way while things change. */
const SLOW = ['?delay=60', '?delay=250', '?chunks=4&every=50'] as const;
const SLOW_PART = 0.1;
/** Failures after these are counted, not kept. */
const MAX_KEPT = 50;

export interface LoadOptions {
  readonly clients: readonly LoadClient[];
  /** Of all clients together; what cannot be sent in time is made up for. */
  readonly requestsPerSecond: number;
  readonly changes: ChangeLog;
  /** What no server had any part in; it is counted by itself. Default: nothing is. */
  readonly isUndelivered?: (error: unknown) => boolean;
}

/** Clients that go on asking targets, each one request at a time, and count what is answered wrongly or not at all. */
export class Load {
  readonly #options: LoadOptions;
  readonly #targets: Target[] = [];
  readonly #startedAt = performance.now();
  #running: Promise<unknown> = Promise.resolve();
  #isOver = false;
  sent = 0;
  failed = 0;
  undelivered = 0;
  /** What failed, as people read it. */
  readonly failures: string[] = [];
  readonly byClient = new Map<string, number>();

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Targets that are asked from now on. */
  add(...targets: readonly Target[]): void {
    this.#targets.push(...targets);
  }

  /** Asks a target no more. */
  remove(target: Target): void {
    this.#targets.splice(this.#targets.indexOf(target), 1);
  }

  start(): void {
    const { clients, requestsPerSecond } = this.#options;
    const everyMs = (1000 * clients.length) / requestsPerSecond;
    this.#running = Promise.all(clients.map((client, index) => this.#keepAsking(client, everyMs, (index * everyMs) / clients.length)));
  }

  /** Resolves when the last answer is there. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    for (const client of this.#options.clients) client.close();
  }

  async #keepAsking(client: LoadClient, everyMs: number, delayMs: number): Promise<void> {
    let due = performance.now() + delayMs;
    while (!this.#isOver) {
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      due += everyMs;
      const target = this.#targets[Math.floor(Math.random() * this.#targets.length)];
      if (target) await this.ask(client, target, Math.random() < SLOW_PART ? (SLOW[Math.floor(Math.random() * SLOW.length)] ?? '') : '');
    }
  }

  /** One request; whether it is answered as it must be is noted. */
  async ask(client: LoadClient, target: Target, query = ''): Promise<Answer | undefined> {
    const startedAt = performance.now();
    const { address } = target;
    this.sent += 1;
    this.byClient.set(client.name, (this.byClient.get(client.name) ?? 0) + 1);
    try {
      const answer = await client.send({ ...address, path: address.path + query });
      const { status, backend, body } = answer;
      if (status === 200 && target.isAcceptable(backend, startedAt)) return answer;
      this.#fail(client, target, query, startedAt, `${status} by ${backend || `Envoy: ${body.slice(0, 200)}`}`);
    } catch (error) {
      if (this.#options.isUndelivered?.(error)) this.undelivered += 1;
      else this.#fail(client, target, query, startedAt, String(error));
    }
    return undefined;
  }

  #fail(client: LoadClient, target: Target, query: string, startedAt: number, what: string): void {
    this.failed += 1;
    if (this.failures.length >= MAX_KEPT) return;
    const now = performance.now();
    const at = ((now - this.#startedAt) / 1000).toFixed(2);
    const changes = this.#options.changes.describe(startedAt, now);
    this.failures.push(
      `${at} s, ${client.name}, ${target}${query}, after ${Math.round(now - startedAt)} ms: ${what}\n    while: ${changes}`,
    );
  }
}
