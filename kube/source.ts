import type { Diagnostic, FieldPath, Location, ObjectRef } from '../model/index.ts';
import type { KubeObject } from './object.ts';

/**
 * Where objects come from. The folder and the API server are two of these, and nothing behind them can tell which.
 */
export interface ObjectSource {
  /**
   * Reads everything, then follows changes until the signal aborts. The first batch is the first complete read, even if
   * it is empty; nothing is yielded before it. A batch never takes away what could merely not be read: an object whose
   * new text is wrong keeps its last good content, and a diagnostic says so.
   */
  watch(signal: AbortSignal): AsyncIterable<ObjectBatch>;
  /** The place of a field, or of the nearest thing around it that has one; undefined where objects have no files. */
  locate(object: ObjectRef, path: FieldPath): Location | undefined;
  /**
   * Says which Secrets are needed from now on and which no longer, by `namespace/name`; names may repeat what was said
   * before. A source that reads all Secrets anyway has nothing to do. The others bring those that exist in a later batch,
   * and tell only of these from then on.
   * @returns whether it is known of all that are needed if they exist; if not, a batch follows once it is, be it empty
   */
  want(needed: readonly string[], dropped: readonly string[]): boolean;
  /**
   * Says whether Nodes are needed from now on. A source that reads them anyway has nothing to do. The others bring them in later batches
   * while they are needed, and take them away afterwards.
   * @returns whether all of them are in the batches up to the last; if not, a batch follows once they are, be it empty
   */
  wantNodes(wanted: boolean): boolean;
}

/** A change of any number of objects, to be taken as one. */
export interface ObjectBatch {
  readonly upserts: readonly KubeObject[];
  readonly removals: readonly ObjectRef[];
  /** How many objects somebody else has taken out of `upserts` before, by kind; none where it is absent. */
  readonly taken?: ReadonlyMap<KubeObject['kind'], number>;
  /** All that this source finds wrong at present, not just what is new. */
  readonly diagnostics: readonly Diagnostic[];
  /** When the first event behind this batch was seen, by `performance.now()`, and how long reading and decoding took; milliseconds. */
  readonly timing: { readonly seenAt: number; readonly readMs: number };
}
