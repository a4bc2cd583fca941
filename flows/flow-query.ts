import type { Flow } from './flow.ts';
import type { FlowRing, NumberedFlow } from './flow-ring.ts';
import { Turns } from './turns.ts';

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

/**
 * The flows of a ring that are wanted, oldest first.
 * @param signal ends it, with what is told until then
 */
export async function* observe(ring: FlowRing, query: FlowQuery, signal: AbortSignal): AsyncGenerator<Observed> {
  const end = ring.seen;
  const turns = new Turns();
  let number = await firstWanted(ring, query, { end, turns, signal });
  let left = query.first ? (query.number ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
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
    if (turns.isOver) await turns.end();
  }
}

/** Nothing before it is wanted, or remembered. */
async function firstWanted(
  ring: FlowRing,
  query: FlowQuery,
  { end, turns, signal }: { readonly end: number; readonly turns: Turns; readonly signal: AbortSignal },
): Promise<number> {
  if (query.number === undefined || query.first) return ring.oldest;
  let [number, left] = [end, query.number];
  while (number > ring.oldest && left > 0 && !signal.aborted) {
    const flow = ring.at(number - 1);
    if (flow && isWanted(flow, query)) left--;
    number--;
    if (turns.isOver) await turns.end();
  }
  // What was looked at and forgotten since is nothing that is missed.
  return left > 0 ? Math.max(number, ring.oldest) : number;
}

function isWanted(flow: Flow, { since, until, matches }: FlowQuery): boolean {
  return (since === undefined || flow.time >= since) && (until === undefined || flow.time <= until) && matches(flow);
}
