import type { Flow } from './flow.ts';
import type { FlowRing, NumberedFlow } from './flow-ring.ts';

/** Which flows of a ring somebody wants. */
export interface FlowQuery {
  /** The last so many that match, or with `first` the oldest. Default: all. */
  readonly number?: number;
  readonly first?: boolean;
  /** Whether those that are to come are wanted, too. */
  readonly follow?: boolean;
  /** Nanoseconds since 1970, both inclusive. */
  readonly since?: bigint;
  readonly until?: bigint;
  readonly matches: (flow: Flow) => boolean;
}

export type Observed =
  | ({ readonly kind: 'flow' } & NumberedFlow)
  /** So many flows, whether they match or not, were forgotten before they could be told. */
  | { readonly kind: 'lost'; readonly count: number };

/** So many are looked at before others have their turn. */
const AT_ONCE = 512;

/**
 * The flows of a ring that are wanted, oldest first.
 * @param signal ends it, with what is told until then
 */
export async function* observe(ring: FlowRing, query: FlowQuery, signal: AbortSignal): AsyncGenerator<Observed> {
  const end = ring.seen;
  let number = firstWanted(ring, query, end);
  let left = query.first ? (query.number ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  let untilPause = AT_ONCE;
  for (; !signal.aborted && left > 0; number++) {
    if (number >= end && !query.follow) return;
    if (number >= ring.seen) await ring.untilAdded(number, signal);
    if (number < ring.oldest) {
      yield { kind: 'lost', count: ring.oldest - number };
      number = ring.oldest;
    }
    const flow = ring.at(number);
    if (!flow) continue;
    if (isWanted(flow, query)) {
      left--;
      yield { kind: 'flow', number, flow };
    }
    if (--untilPause > 0) continue;
    untilPause = AT_ONCE;
    await new Promise(setImmediate);
  }
}

/** Nothing before it is wanted. */
function firstWanted(ring: FlowRing, query: FlowQuery, end: number): number {
  if (query.number === undefined || query.first) return ring.oldest;
  let [number, found] = [end, 0];
  while (number > ring.oldest && found < query.number) {
    const flow = ring.at(number - 1);
    if (flow && isWanted(flow, query)) found++;
    number--;
  }
  return number;
}

function isWanted(flow: Flow, { since, until, matches }: FlowQuery): boolean {
  return (since === undefined || flow.time >= since) && (until === undefined || flow.time <= until) && matches(flow);
}
