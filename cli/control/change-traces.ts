import { randomBytes } from 'node:crypto';
import { refOf } from '../../kube/index.ts';
import { formatObject } from '../../model/index.ts';
import { Answers } from './answers.ts';
import type { ChangeListener, TakenChange } from './change-listener.ts';

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
  /** As of `performance.now()`. */
  readonly at: number;
}

/** More objects of one change are told of by their number. */
const MOST_NAMED = 5;
const NANOSECONDS = 1_000_000;

/** One trace for each change that came to something: how long each part took, and when each node had answered that was there to hear of it. */
export class ChangeTraces implements ChangeListener {
  readonly #onSpan: (span: ChangeSpan) => void;
  readonly #answers: Answers<Published>;

  /** @param connected the nodes that are */
  constructor(onSpan: (span: ChangeSpan) => void, connected: () => Iterable<string>) {
    this.#onSpan = onSpan;
    this.#answers = new Answers({ connected, onAnswer: (published, nodeId) => this.#tellAnswer(published, nodeId) });
  }

  changed({ batch, change, revision, timing }: TakenChange): void {
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
    this.#answers.published({ traceId, spanId, at }, revision);
  }

  synced(nodeId: string, revision: number): void {
    this.#answers.answered(nodeId, revision);
  }

  left(nodeId: string): void {
    this.#answers.left(nodeId);
  }

  #tellAnswer(published: Published, nodeId: string): void {
    const clock = wallClock();
    this.#tell(published, 'acknowledge', clock(published.at), clock(performance.now()), { 'sluice.node': nodeId });
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
