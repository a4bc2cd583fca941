import { randomBytes } from 'node:crypto';
import type { ChangedEvent } from '../../controller/controller.ts';
import { type ObjectBatch, refOf } from '../../kube/index.ts';
import { formatObject } from '../../model/index.ts';

/** A part of what became of a change. */
export interface ChangeSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent for the change itself. */
  readonly parentSpanId?: string;
  readonly name: 'change' | 'read' | 'ingest' | 'translate' | 'publish' | 'acknowledge';
  /** Nanoseconds since 1970. */
  readonly begin: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, string | number | string[]>>;
}

/** A batch that was taken in, and what it came to. */
export interface TracedChange extends Pick<ChangedEvent, 'change' | 'revision' | 'timing'> {
  readonly batch: Pick<ObjectBatch, 'upserts' | 'removals' | 'timing'>;
}

interface Published {
  readonly traceId: string;
  readonly spanId: string;
  readonly revision: number;
  /** As of `performance.now()`. */
  readonly at: number;
  /** Who was connected then, has been since, and has yet to answer. */
  readonly waitedFor: Set<string>;
}

/** More objects of one change are told of by their number. */
const MOST_NAMED = 5;
/** Nodes that answer later are not told of. */
const MOST_PUBLISHED = 256;
const NANOSECONDS = 1_000_000;

/** One trace for each change that came to something: how long each part took, and when each node had answered that was there to hear of it. */
export class ChangeTraces {
  readonly #onSpan: (span: ChangeSpan) => void;
  readonly #connected: () => Iterable<string>;
  /** Oldest first; none that everybody has answered. */
  #published: Published[] = [];

  /** @param connected the nodes that are */
  constructor(onSpan: (span: ChangeSpan) => void, connected: () => Iterable<string>) {
    this.#onSpan = onSpan;
    this.#connected = connected;
  }

  /** To be told right after a change was published. */
  changed({ batch, change, revision, timing }: TracedChange): void {
    const resources = change.upserts.length + change.removals.length;
    if (resources === 0) return;
    const [at, traceId, spanId] = [performance.now(), randomBytes(16).toString('hex'), newSpanId()];
    const clock = wallClock();
    const { seenAt } = batch.timing;
    const objects = [...batch.upserts.map(refOf), ...batch.removals].map(formatObject);
    const named = objects.length <= MOST_NAMED ? { 'sluice.object_names': objects } : {};
    const attributes = { 'sluice.objects': objects.length, ...named, 'sluice.resources': resources, 'sluice.revision': revision };
    this.#onSpan({ traceId, spanId, name: 'change', begin: clock(seenAt), end: clock(at), attributes });
    const part = (name: ChangeSpan['name'], begin: number, milliseconds: number) => {
      this.#tell({ traceId, spanId }, name, clock(begin), clock(begin + milliseconds));
      return begin + milliseconds;
    };
    const read = part('read', seenAt, timing.readMs);
    part('translate', part('ingest', read, timing.ingestMs), timing.translateMs);
    part('publish', at - timing.publishMs, timing.publishMs);
    const connected = new Set(this.#connected());
    for (const { waitedFor } of this.#published) for (const nodeId of waitedFor) if (!connected.has(nodeId)) waitedFor.delete(nodeId);
    this.#published = [...this.#published, { traceId, spanId, revision, at, waitedFor: connected }]
      .filter(({ waitedFor }) => waitedFor.size > 0)
      .slice(-MOST_PUBLISHED);
  }

  /** A node has answered everything up to a revision. */
  synced(nodeId: string, revision: number): void {
    const [now, clock] = [performance.now(), wallClock()];
    for (const published of this.#published) {
      if (published.revision > revision || !published.waitedFor.delete(nodeId)) continue;
      this.#tell(published, 'acknowledge', clock(published.at), clock(now), { 'sluice.node': nodeId });
    }
  }

  #tell(
    { traceId, spanId }: Pick<Published, 'traceId' | 'spanId'>,
    name: ChangeSpan['name'],
    begin: bigint,
    end: bigint,
    attributes: ChangeSpan['attributes'] = {},
  ): void {
    this.#onSpan({ traceId, spanId: newSpanId(), parentSpanId: spanId, name, begin, end, attributes });
  }
}

function newSpanId(): string {
  return randomBytes(8).toString('hex');
}

/** For times of `performance.now()`, by the clock as it is now: it is set right while a process runs, and stands still with no machine that sleeps. */
function wallClock(): (milliseconds: number) => bigint {
  const origin = Date.now() - performance.now();
  return (milliseconds) => BigInt(Math.round((origin + milliseconds) * NANOSECONDS));
}
