import type { ChangedEvent } from '../../controller/controller.ts';
import type { Model } from '../../controller/pipeline/pipeline.ts';
import { type KubeObject, refOf } from '../../kube/index.ts';
import { formatObject, type ObjectRef, objectKey } from '../../model/index.ts';
import type { Log } from '../log.ts';
import { plural } from '../text/diagnostics.ts';
import { formatFile, type Locate } from '../text/place.ts';
import { Answers } from './answers.ts';

const NONE: ReadonlyMap<string, number> = new Map();

/** More objects than this in one batch are told about as numbers. */
const MAX_NAMED = 5;

interface ObjectChange {
  readonly action: 'added' | 'changed' | 'removed';
  readonly object: ObjectRef;
  /** Where it stood when it was read; empty where it is not named. */
  readonly file: string;
  readonly detail: string;
}

interface Pending {
  readonly changes: readonly ObjectChange[];
  /** What else was read, by kind. */
  readonly taken: ReadonlyMap<string, number>;
  readonly revision: number;
  /** As of `performance.now()`. */
  readonly seenAt: number;
  readonly isFirst: boolean;
}

export interface NarratorOptions {
  readonly log: Log;
  readonly model: Pick<Model, 'ingresses'>;
  readonly locate: Locate;
  /** The nodes that are. */
  readonly connected: () => Iterable<string>;
}

/** Tells of changes of objects once what they led to is in force. Knows which objects there are. */
export class Narrator {
  readonly #options: NarratorOptions;
  readonly #objects = new Map<string, ObjectRef>();
  readonly #answers: Answers<Pending>;
  #synced = 0;
  #isFirst = true;

  constructor(options: NarratorOptions) {
    this.#options = options;
    this.#answers = new Answers({
      connected: options.connected,
      onAnswered: (pending, at) => this.#tellInForce(pending, at - pending.seenAt),
      onForgotten: (pending) => this.#tell(pending, 'published; not all nodes have answered yet'),
    });
  }

  /** How many objects there are, by kind, sorted. */
  countObjects(): Record<string, number> {
    const counts = Object.groupBy(this.#objects.values(), ({ kind }) => kind);
    return Object.fromEntries(
      Object.entries(counts)
        .map(([kind, objects]): [string, number] => [kind, objects?.length ?? 0])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  /** Takes note of a batch, and tells of it at once where nothing came of it. */
  changed({ batch, revision, change }: ChangedEvent): void {
    // To find a place is to read a document again, which pays for the few that are named only.
    const isNamed = !this.#isFirst && batch.removals.length + batch.upserts.length <= MAX_NAMED;
    const changes = [...batch.removals.map((ref) => this.#removed(ref)), ...batch.upserts.map((object) => this.#upserted(object, isNamed))];
    const taken = this.#isFirst ? (batch.taken ?? NONE) : NONE;
    const pending: Pending = { changes, taken, revision, seenAt: batch.timing.seenAt, isFirst: this.#isFirst };
    const hasOutcome = this.#isFirst || change.upserts.length + change.removals.length > 0;
    this.#isFirst = false;
    if (hasOutcome && revision > this.#synced) this.#answers.published(pending, revision);
    else if (changes.length > 0) this.#tell(pending, 'nothing else to do');
  }

  synced(nodeId: string, revision: number): void {
    this.#synced = Math.max(this.#synced, revision);
    this.#answers.answered(nodeId, revision);
  }

  left(nodeId: string): void {
    this.#answers.left(nodeId);
  }

  #tellInForce(pending: Pending, milliseconds: number): void {
    if (!pending.isFirst && pending.changes.length === 0) return;
    this.#tell(pending, `in force after ${Math.round(milliseconds)} ms`, milliseconds);
  }

  #removed(object: ObjectRef): ObjectChange {
    this.#objects.delete(objectKey(object));
    return { action: 'removed', object, file: '', detail: '' };
  }

  #upserted(object: KubeObject, isNamed: boolean): ObjectChange {
    const ref = refOf(object);
    const key = objectKey(ref);
    const action = this.#objects.has(key) ? 'changed' : 'added';
    this.#objects.set(key, ref);
    const location = isNamed ? this.#options.locate(ref, []) : undefined;
    return { action, object: ref, file: location ? formatFile(location.file) : '', detail: isNamed ? this.#detail(object) : '' };
  }

  #detail(object: KubeObject): string {
    if (object.kind === 'EndpointSlice') return plural(object.endpoints.length, 'endpoint');
    if (object.kind !== 'Ingress') return '';
    const { metadata, spec } = object;
    if (!this.#options.model.ingresses.get(`${metadata.namespace}/${metadata.name}`)) return 'not of our class';
    const paths = spec.rules.reduce((sum, rule) => sum + (rule.http?.paths.length ?? 0), 0);
    return plural(paths + (spec.defaultBackend ? 1 : 0), 'route');
  }

  #tell({ changes, taken, revision, isFirst }: Pending, effect: string, inForceMs?: number): void {
    const fields = { revision, ...(inForceMs !== undefined && { inForceMs: Math.round(inForceMs * 10) / 10 }) };
    if (isFirst || changes.length > MAX_NAMED) {
      const counts = countsOf(changes, taken);
      const text = `${summarise(counts)}, ${effect}`;
      this.#options.log({ level: 'info', event: isFirst ? 'read' : 'changed', text, fields: { ...fields, objects: sumOf(counts) } });
      return;
    }
    for (const { action, object, file, detail } of changes) {
      const text = [formatObject(object), ...(file ? [`(${file})`] : []), [detail, effect].filter((part) => part !== '').join(', ')].join(
        '  ',
      );
      this.#options.log({ level: 'info', event: action, text, fields: { ...fields, object, ...(file && { file }) } });
    }
  }
}

function countsOf(changes: readonly ObjectChange[], taken: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const counts = new Map(taken);
  for (const { object } of changes) counts.set(object.kind, (counts.get(object.kind) ?? 0) + 1);
  return counts;
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return counts.values().reduce((sum, count) => sum + count, 0);
}

/** `7 objects: EndpointSlice 3, Service 4`. */
function summarise(counts: ReadonlyMap<string, number>): string {
  const parts = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `${kind} ${count}`);
  return `${plural(sumOf(counts), 'object')}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`;
}
