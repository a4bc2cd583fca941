import { randomBytes } from 'node:crypto';
import type { ChangedEvent } from '../../controller/controller.ts';
import { refOf } from '../../kube/index.ts';
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

interface Published {
  readonly traceId: string;
  readonly spanId: string;
  readonly revision: number;
  /** As of `performance.now()`. */
  readonly at: number;
}

/** More objects of one change are told of by their number. */
const MOST_NAMED = 5;
/** Nodes that answer later are not told of. */
const MOST_PUBLISHED = 256;
const NANOSECONDS = 1_000_000;

/** One trace for each change that came to something: how long each part took, and when each node had answered. */
export class ChangeTraces {
  readonly #onSpan: (span: ChangeSpan) => void;
  /** Oldest first. */
  #published: Published[] = [];
  /** What each node has answered, as a revision. */
  readonly #answered = new Map<string, number>();

  constructor(onSpan: (span: ChangeSpan) => void) {
    this.#onSpan = onSpan;
  }

  /** To be told right after a change was published. */
  changed({ batch, change, revision, timing }: ChangedEvent): void {
    const resources = change.upserts.length + change.removals.length;
    if (resources === 0) return;
    const [at, traceId, spanId] = [performance.now(), randomBytes(16).toString('hex'), newSpanId()];
    const { seenAt } = batch.timing;
    const objects = [...batch.upserts.map(refOf), ...batch.removals].map(formatObject);
    const named = objects.length <= MOST_NAMED ? { 'sluice.object_names': objects } : {};
    const attributes = { 'sluice.objects': objects.length, ...named, 'sluice.resources': resources, 'sluice.revision': revision };
    this.#onSpan({ traceId, spanId, name: 'change', begin: wallClock(seenAt), end: wallClock(at), attributes });
    const part = (name: ChangeSpan['name'], begin: number, milliseconds: number) => {
      this.#tell({ traceId, spanId }, name, begin, begin + milliseconds);
      return begin + milliseconds;
    };
    const read = part('read', seenAt, timing.readMs);
    part('translate', part('ingest', read, timing.ingestMs), timing.translateMs);
    part('publish', at - timing.publishMs, timing.publishMs);
    this.#published = [...this.#published.slice(1 - MOST_PUBLISHED), { traceId, spanId, revision, at }];
  }

  /** A node has answered everything up to a revision. */
  synced(nodeId: string, revision: number): void {
    const before = this.#answered.get(nodeId) ?? -1;
    this.#answered.set(nodeId, Math.max(before, revision));
    for (const published of this.#published) {
      if (published.revision <= before || published.revision > revision) continue;
      this.#tell(published, 'acknowledge', published.at, performance.now(), { 'sluice.node': nodeId });
    }
  }

  #tell(
    { traceId, spanId }: Pick<Published, 'traceId' | 'spanId'>,
    name: ChangeSpan['name'],
    begin: number,
    end: number,
    attributes: ChangeSpan['attributes'] = {},
  ): void {
    this.#onSpan({ traceId, spanId: newSpanId(), parentSpanId: spanId, name, begin: wallClock(begin), end: wallClock(end), attributes });
  }
}

function newSpanId(): string {
  return randomBytes(8).toString('hex');
}

function wallClock(milliseconds: number): bigint {
  return BigInt(Math.round((performance.timeOrigin + milliseconds) * NANOSECONDS));
}
