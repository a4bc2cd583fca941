import type { AdminClient } from '../admin-client.ts';
import { EnvoyError } from '../envoy-error.ts';
import { FailureSeldom } from '../failure-seldom.ts';

/** Of all logs by gRPC: what Envoy had no room for, since it started. @see https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/stats */
const DROPPED = 'access_logs.grpc_access_log.logs_dropped';
/** Envoy looks through all of its statistics for it. */
const EVERY_MS = 5_000;

export interface EnvoyLossesOptions {
  readonly admin: Pick<AdminClient, 'stats' | 'serverInfo'>;
  /** Told how many requests and connections Envoy has had no room to tell of. */
  readonly onLost: (count: bigint) => void;
  /** Told of what keeps it from asking, beside an Envoy that does not answer; of one failure in a minute. */
  readonly onFailure: (error: Error) => void;
  /** Default: five seconds. */
  readonly everyMs?: number;
}

interface Answer {
  readonly dropped: number;
  /** Seconds since 1970 between which that Envoy was started; absent of one that has not been. */
  readonly started?: readonly [earliest: number, latest: number];
}

/** Asks Envoy what it has lost of its logs, from when it is made until it is closed. What one that runs had lost before is nobody's. */
export class EnvoyLosses implements Disposable {
  readonly #options: EnvoyLossesOptions;
  readonly #failures: FailureSeldom;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #before: Answer | undefined;

  constructor(options: EnvoyLossesOptions) {
    this.#options = options;
    this.#failures = new FailureSeldom(options.onFailure);
    void this.#review();
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    clearTimeout(this.#timer);
  }

  async #review(): Promise<void> {
    const answer = await this.#ask();
    if (this.#over.signal.aborted) return;
    // One that does not answer yet has lost nothing yet.
    if (answer) this.#note(answer);
    else this.#before ??= { dropped: 0 };
    this.#timer = setTimeout(() => void this.#review(), this.#options.everyMs ?? EVERY_MS).unref();
  }

  #note(answer: Answer): void {
    const since = this.#before ? countedBefore(this.#before, answer) : answer.dropped;
    this.#before = answer;
    if (answer.dropped > since) this.#options.onLost(BigInt(answer.dropped - since));
  }

  /** Undefined while it does not answer. */
  async #ask(): Promise<Answer | undefined> {
    const { admin } = this.#options;
    try {
      const before = Date.now();
      const { uptimeSeconds } = await admin.serverInfo();
      // Envoy reckons by the same clock, in whole seconds, of which the kernel may tell it a moment late.
      const started = [startOf(before, uptimeSeconds) - 1, startOf(Date.now(), uptimeSeconds)] as const;
      const stats = await admin.stats({ filter: `^${DROPPED.replaceAll('.', '\\.')}$`, type: 'Counters' });
      return { dropped: stats.get(DROPPED) ?? 0, started };
    } catch (error) {
      if (!(error instanceof EnvoyError)) this.#failures.note(error);
      return undefined;
    }
  }
}

function startOf(now: number, uptimeSeconds: number): number {
  return Math.floor(now / 1_000) - uptimeSeconds;
}

/** One that has started anew counts anew. */
function countedBefore(before: Answer, { dropped, started }: Answer): number {
  const isSame = before.started && started && before.started[0] <= started[1] && started[0] <= before.started[1];
  return isSame && dropped >= before.dropped ? before.dropped : 0;
}
