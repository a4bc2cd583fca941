import type { Flow } from './flow.ts';
import type { FlowRing, NumberedFlow } from './flow-ring.ts';
import { systemTime } from './time.ts';
import { Turns } from './turns.ts';

/** Which flows of a ring somebody wants. */
export interface FlowQuery {
  /** The last so many that match, or with `first` the oldest. Default: all. */
  readonly number?: number;
  readonly first?: boolean;
  /** Whether those that are to come are wanted, too. */
  readonly follow?: boolean;
  /** Nanoseconds since 1970, both inclusive. Who follows until a time hears of nothing after that, nor after a flow of a later one. */
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
 * @param now nanoseconds since 1970; default: the system's clock
 */
export async function* observe(
  ring: FlowRing,
  query: FlowQuery,
  signal: AbortSignal,
  now: () => bigint = systemTime,
): AsyncGenerator<Observed> {
  const end = ring.seen;
  const turns = new Turns();
  let number = await firstWanted(ring, query, { end, turns, signal });
  let left = query.first ? (query.number ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  while (!signal.aborted && left > 0 && (query.follow || number < end)) {
    if (number >= ring.seen) await untilAdded(ring, number, { until: query.until, now, signal });
    if (number < ring.oldest) {
      // What came since is nothing to who does not follow.
      const next = query.follow ? ring.oldest : Math.min(ring.oldest, end);
      yield { kind: 'lost', count: next - number };
      number = next;
      continue;
    }
    const flow = ring.at(number);
    if (!flow || (number >= end && isAfter(flow, query))) return;
    if (isWanted(flow, query)) {
      left--;
      yield { kind: 'flow', number, flow };
    }
    number++;
    if (turns.isOver) await turns.end();
  }
}

/** Longer a timer of Node's cannot wait. */
const MOST_MS = 2 ** 31 - 1;

interface Wait {
  readonly until: bigint | undefined;
  readonly now: () => bigint;
  readonly signal: AbortSignal;
}

/** Ends once there is a flow of this number, or the time is over in which one is wanted. */
async function untilAdded(ring: FlowRing, number: number, { until, now, signal }: Wait): Promise<void> {
  if (until === undefined) return await ring.untilAdded(number, signal);
  while (ring.seen <= number && !signal.aborted) {
    const leftMs = Math.min(Math.ceil(Number(until - now()) / 1e6), MOST_MS);
    if (leftMs <= 0) return;
    using over = new DisposableStack();
    const wait = new AbortController();
    const timer = setTimeout(() => wait.abort(), leftMs);
    over.defer(() => clearTimeout(timer));
    await ring.untilAdded(number, AbortSignal.any([signal, wait.signal]));
  }
}

function isAfter({ time }: Flow, { until }: FlowQuery): boolean {
  return until !== undefined && time > until;
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

function isWanted(flow: Flow, query: FlowQuery): boolean {
  const { since, matches } = query;
  return (since === undefined || flow.time >= since) && !isAfter(flow, query) && matches(flow);
}
