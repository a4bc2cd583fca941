import type { AdminClient } from '../admin-client.ts';
import { EnvoyError } from '../envoy-error.ts';
import { FailureSeldom } from '../failure-seldom.ts';

/** Of all logs by gRPC: what Envoy had no room for, since it started. @see https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/stats */
const DROPPED = 'access_logs.grpc_access_log.logs_dropped';
/** Envoy looks through all of its statistics for it. */
const EVERY_MS = 5_000;

export interface EnvoyLossesOptions {
  readonly admin: Pick<AdminClient, 'stats'>;
  /** Told how many requests and connections Envoy has had no room to tell of. */
  readonly onLost: (count: bigint) => void;
  /** Told of what keeps it from asking, beside an Envoy that does not answer; of one failure in a minute. */
  readonly onFailure: (error: Error) => void;
  /** Default: five seconds. */
  readonly everyMs?: number;
}

/** Asks Envoy what it has lost of its logs, from when it is made until it is closed. What one that runs had lost before is nobody's. */
export class EnvoyLosses implements Disposable {
  readonly #options: EnvoyLossesOptions;
  readonly #failures: FailureSeldom;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #before: number | undefined;

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
    const dropped = await this.#dropped();
    if (this.#over.signal.aborted) return;
    // One that does not answer yet has lost nothing yet.
    if (dropped === undefined) this.#before ??= 0;
    else this.#note(dropped);
    this.#timer = setTimeout(() => void this.#review(), this.#options.everyMs ?? EVERY_MS).unref();
  }

  #note(dropped: number): void {
    // One that has started anew counts anew.
    const since = this.#before === undefined ? dropped : dropped < this.#before ? 0 : this.#before;
    this.#before = dropped;
    if (dropped > since) this.#options.onLost(BigInt(dropped - since));
  }

  /** Undefined while it does not answer. */
  async #dropped(): Promise<number | undefined> {
    try {
      const stats = await this.#options.admin.stats({ filter: `^${DROPPED.replaceAll('.', '\\.')}$`, type: 'Counters' });
      return stats.get(DROPPED) ?? 0;
    } catch (error) {
      if (!(error instanceof EnvoyError)) this.#failures.note(error);
      return undefined;
    }
  }
}
