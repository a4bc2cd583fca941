import { isDeepStrictEqual } from 'node:util';
import { type Diagnostic, type ObjectRef, objectKey } from '../../model/index.ts';
import { type Finding, lastGoodKept } from '../codes.ts';
import { DeliveredObjects } from '../delivered-objects.ts';
import type { Kind, KubeObject } from '../object.ts';
import type { ObjectBatch } from '../source.ts';
import { validateObject } from '../validate.ts';
import type { RawObject } from './raw-object.ts';

/** What is known of all kinds, and what of it nobody has taken yet. */
export class ObjectCache {
  readonly #objects = new Map<string, KubeObject>();
  readonly #delivered = new DeliveredObjects();
  readonly #diagnostics = new Map<string, readonly Diagnostic[]>();
  #extra: readonly Diagnostic[] = [];
  #touched = false;
  #seenAt: number | undefined;
  #readMs = 0;

  put(kind: Kind, apiVersion: string, { namespace, name, raw }: RawObject): void {
    const began = performance.now();
    this.#seenAt ??= began;
    const ref = { kind, namespace, name };
    const key = objectKey(ref);
    // The items of a list have neither.
    const seen = validateObject({ ...raw, kind, apiVersion });
    if (seen.result === 'valid') {
      if (!isSame(this.#objects.get(key), seen.object)) {
        this.#objects.set(key, seen.object);
        this.#delivered.touch(key);
      }
      if (this.#diagnostics.delete(key)) this.#touched = true;
    } else this.#reject(ref, raw, seen.findings);
    this.#readMs += performance.now() - began;
  }

  #reject(ref: ObjectRef, raw: object, findings: readonly Finding[]): void {
    const key = objectKey(ref);
    const before = this.#objects.get(key);
    const uid: unknown = Reflect.get(Reflect.get(raw, 'metadata') ?? {}, 'uid');
    // Another object of this name has no last good content.
    if (before && before.metadata.uid !== uid) this.remove(ref);
    const kept = before && before.metadata.uid === uid;
    const told = kept ? [...findings, lastGoodKept()] : findings;
    this.#diagnostics.set(
      key,
      told.map((entry) => ({ ...entry, object: ref })),
    );
    this.#touched = true;
  }

  remove(ref: ObjectRef): void {
    this.#seenAt ??= performance.now();
    const key = objectKey(ref);
    if (this.#objects.delete(key)) this.#delivered.touch(key);
    if (this.#diagnostics.delete(key)) this.#touched = true;
  }

  /** Takes all objects of a kind away. */
  removeKind(kind: Kind): void {
    for (const { kind: each, metadata } of this.#objects.values()) {
      if (each === kind) this.remove({ kind, namespace: metadata.namespace, name: metadata.name });
    }
    const prefix = objectKey({ kind, namespace: '', name: '' });
    for (const key of this.#diagnostics.keys()) if (key.startsWith(prefix) && this.#diagnostics.delete(key)) this.#touched = true;
  }

  /** Whether nothing is known of objects that was not taken. */
  get isTaken(): boolean {
    return !this.#delivered.isTouched;
  }

  /**
   * What changed since this was asked last; undefined where nothing did and no batch is owed.
   * @param extra diagnostics that are not about the content of an object
   */
  take(owed: boolean, extra: readonly Diagnostic[]): ObjectBatch | undefined {
    const difference = this.#delivered.take((key) => this.#objects.get(key));
    const timing = { seenAt: this.#seenAt ?? performance.now(), readMs: this.#readMs };
    this.#seenAt = undefined;
    this.#readMs = 0;
    if (!isDeepStrictEqual(extra, this.#extra)) this.#touched = true;
    if (difference.upserts.length === 0 && difference.removals.length === 0 && !this.#touched && !owed) return undefined;
    this.#touched = false;
    this.#extra = extra;
    const keys = [...this.#diagnostics.keys()].sort();
    return { ...difference, diagnostics: [...extra, ...keys.flatMap((key) => this.#diagnostics.get(key) ?? [])], timing };
  }
}

/** What is not read of an object, such as its status, may change; and an object is listed again though nothing did. */
function isSame(before: KubeObject | undefined, now: KubeObject): before is KubeObject {
  // The values of a Secret are hidden from a comparison too.
  return before !== undefined && now.kind !== 'Secret' && isDeepStrictEqual(before, now);
}
