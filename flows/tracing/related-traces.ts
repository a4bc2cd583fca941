import { randomBytes } from 'node:crypto';
import type { Flow, FlowPeer } from '../flow.ts';

/** How long a trace is that of a connection's flows after the last of them, as in hubble-otel. */
const KEPT_FOR = 20n * 60n * 1_000_000_000n;
const MOST = 100_000;

interface Known {
  readonly traceId: string;
  readonly until: bigint;
}

/**
 * One trace for flows that belong together, as in hubble-otel: a request with an id and its response, of one connection; of what has no such id, all of a
 * connection. What an application says of one of them counts for it and those that follow.
 */
export class RelatedTraces {
  /** In the order in which they were used last. */
  readonly #known = new Map<string, Known>();
  readonly #most: number;

  /** @param most how many are remembered; the one that was not used for the longest is forgotten first */
  constructor(most = MOST) {
    this.#most = most;
  }

  get size(): number {
    return this.#known.size;
  }

  /** The trace of a flow; a new one where it belongs to none. */
  traceOf(flow: Flow): string {
    const key = keyOf(flow);
    const traceId = flow.traceId ?? this.#find(key, flow.time) ?? randomBytes(16).toString('hex');
    this.#keep(key, { traceId, until: flow.time + KEPT_FOR });
    return traceId;
  }

  #find(key: string, now: bigint): string | undefined {
    const known = this.#known.get(key);
    return known && known.until >= now ? known.traceId : undefined;
  }

  #keep(key: string, known: Known): void {
    this.#known.delete(key);
    this.#known.set(key, known);
    if (this.#known.size <= this.#most) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

/** The same for both ways. */
function keyOf({ source, destination, sourcePort, destinationPort, protocol, requestId }: Flow): string {
  const ends = [endOf(source, sourcePort), endOf(destination, destinationPort)].sort();
  const connection = `${protocol}|${ends.join('|')}`;
  return requestId === undefined ? connection : `${connection}|${requestId}`;
}

function endOf({ address, identity }: FlowPeer, port: number): string {
  return `${address}:${port}|${identity}`;
}
