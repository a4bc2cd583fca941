import { isDeepStrictEqual } from 'node:util';
import { encodeHoldings, HOLDINGS_PATH, type Holdings, type RefusedVersion } from '../serve/index.ts';
import { ReportStream } from './report-stream.ts';
import type { UpstreamAddress } from './upstream.ts';

export interface HoldingsReporterOptions {
  readonly upstream: UpstreamAddress;
  /** What is to be told, by type URL. */
  readonly holdings: () => ReadonlyMap<string, Holdings>;
  /** How often it is asked for, in milliseconds; changes between are told in one. Default 500. */
  readonly intervalMs?: number;
}

/** A refused version. Whoever sent it may take it back at once, so it counts for a while, unless another is accepted than that of before. */
interface Refused extends RefusedVersion {
  readonly instead: string | undefined;
  /** When it was refused last. */
  readonly at: number;
}

const REMEMBERED_MS = 60_000;

const NONE: Holdings = { accepted: new Map(), refused: new Map() };

/**
 * Tells the controller that takes reports which versions this node's Envoy has: all that there is first, then what changes. There is a stream
 * as long as there is something to tell.
 */
export class HoldingsReporter implements Disposable {
  readonly #options: HoldingsReporterOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #stream: ReportStream;
  /** By type URL and name. */
  readonly #refused = new Map<string, Map<string, Refused>>();
  /** As it was told on the stream that is open. */
  #told: ReadonlyMap<string, Holdings> = new Map();

  constructor(options: HoldingsReporterOptions) {
    this.#options = options;
    this.#stream = new ReportStream(options.upstream, HOLDINGS_PATH, () => {
      this.#told = new Map();
      this.#send(this.#gather());
    });
    this.#timer = setInterval(() => this.#review(), options.intervalMs ?? 500).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#stream.close();
  }

  #review(): void {
    const holdings = this.#gather();
    if ([...holdings.values()].every(({ accepted, refused }) => accepted.size + refused.size === 0)) this.#stream.close();
    else if (this.#stream.isOpen) this.#send(holdings);
    else this.#stream.open();
  }

  #gather(): ReadonlyMap<string, Holdings> {
    const all = Array.from(this.#options.holdings(), ([typeUrl, holdings]) => [typeUrl, this.#remember(typeUrl, holdings)] as const);
    return new Map(all);
  }

  #remember(typeUrl: string, { accepted, refused }: Holdings): Holdings {
    const known = this.#refused.get(typeUrl) ?? new Map<string, Refused>();
    this.#refused.set(typeUrl, known);
    const now = performance.now();
    for (const [name, { version, instead, at }] of known) {
      const held = accepted.get(name);
      if (held !== instead || held === version || now - at > REMEMBERED_MS) known.delete(name);
    }
    for (const [name, refusal] of refused) known.set(name, { ...refusal, instead: accepted.get(name), at: now });
    const told = Array.from(known, ([name, { version, message }]) => [name, { version, message }] as const);
    return { accepted, refused: new Map(told) };
  }

  #send(holdings: ReadonlyMap<string, Holdings>): void {
    for (const [typeUrl, { accepted, refused }] of holdings) {
      const before = this.#told.get(typeUrl) ?? NONE;
      const changed = new Map([...accepted].filter(([name, version]) => before.accepted.get(name) !== version));
      const gone = [...before.accepted.keys()].filter((name) => !accepted.has(name));
      if (changed.size + gone.length === 0 && isDeepStrictEqual(refused, before.refused)) continue;
      this.#stream.send(encodeHoldings({ typeUrl, accepted: changed, gone, refused }));
    }
    this.#told = holdings;
  }
}
