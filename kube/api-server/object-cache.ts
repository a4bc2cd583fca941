import { type Diagnostic, type ObjectRef, objectKey } from '../../model/index.ts';
import { finding } from '../codes.ts';
import { type Kind, type KubeObject, refOf } from '../object.ts';
import type { ObjectBatch } from '../source.ts';
import { validateObject } from '../validate.ts';
import type { RawObject } from './raw-object.ts';

/** What is known of all kinds, and what of it nobody has taken yet. */
export class ObjectCache {
  readonly #objects = new Map<string, KubeObject>();
  readonly #delivered = new Map<string, KubeObject>();
  readonly #changed = new Map<string, ObjectRef>();
  readonly #diagnostics = new Map<string, readonly Diagnostic[]>();
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
      this.#objects.set(key, seen.object);
      this.#changed.set(key, ref);
      if (this.#diagnostics.delete(key)) this.#touched = true;
    } else this.#reject(ref, raw, seen.findings);
    this.#readMs += performance.now() - began;
  }

  #reject(ref: ObjectRef, raw: object, findings: readonly Omit<Diagnostic, 'object'>[]): void {
    const key = objectKey(ref);
    const before = this.#objects.get(key);
    const uid: unknown = Reflect.get(Reflect.get(raw, 'metadata') ?? {}, 'uid');
    // Another object of this name has no last good content.
    if (before && before.metadata.uid !== uid) this.remove(ref);
    const kept = before && before.metadata.uid === uid;
    const told = kept ? [...findings, finding('LastGoodKept', 'keeps its last content that was right until this is corrected')] : findings;
    this.#diagnostics.set(
      key,
      told.map((entry) => ({ ...entry, object: ref })),
    );
    this.#touched = true;
  }

  remove(ref: ObjectRef): void {
    this.#seenAt ??= performance.now();
    const key = objectKey(ref);
    if (this.#objects.delete(key)) this.#changed.set(key, ref);
    if (this.#diagnostics.delete(key)) this.#touched = true;
  }

  /** What changed since this was asked last, in order of keys; undefined where nothing did and no batch is owed. */
  take(owed: boolean): ObjectBatch | undefined {
    const upserts: KubeObject[] = [];
    const removals: ObjectRef[] = [];
    for (const key of [...this.#changed.keys()].sort()) {
      const now = this.#objects.get(key);
      const before = this.#delivered.get(key);
      if (now === before) continue;
      if (now) {
        upserts.push(now);
        this.#delivered.set(key, now);
      } else if (before) {
        removals.push(refOf(before));
        this.#delivered.delete(key);
      }
    }
    const timing = { seenAt: this.#seenAt ?? performance.now(), readMs: this.#readMs };
    this.#changed.clear();
    this.#seenAt = undefined;
    this.#readMs = 0;
    if (upserts.length === 0 && removals.length === 0 && !this.#touched && !owed) return undefined;
    this.#touched = false;
    const keys = [...this.#diagnostics.keys()].sort();
    return { upserts, removals, diagnostics: keys.flatMap((key) => this.#diagnostics.get(key) ?? []), timing };
  }
}
