import assert from 'node:assert/strict';
import { type KubeObject, type ObjectBatch, type ObjectSource, refOf } from '../kube/index.ts';
import type { Diagnostic, FieldPath, Location, ObjectRef } from '../model/index.ts';
import { objectKey } from '../model/index.ts';

/** Long enough for a machine that has other things to do; a test that passes does not wait for it. */
const WITHIN_MS = 20_000;

/**
 * Follows an object source and has what it said, all batches taken together:
 *
 *     await using follower = await ObjectFollower.start(source);
 *     await follower.until(() => follower.names.includes('web'));
 */
export class ObjectFollower implements AsyncDisposable {
  readonly objects = new Map<string, KubeObject>();
  readonly batches: ObjectBatch[] = [];
  diagnostics: readonly Diagnostic[] = [];
  readonly #source: ObjectSource;
  readonly #abort = new AbortController();
  readonly #end: Promise<void>;
  #failure: unknown;
  #taken = Promise.withResolvers<void>();

  private constructor(source: ObjectSource) {
    this.#source = source;
    this.#end = this.#run().catch((error: unknown) => {
      this.#failure = error;
      this.#taken.resolve();
    });
  }

  /** Waits for the first batch. */
  static async start(source: ObjectSource): Promise<ObjectFollower> {
    const follower = new ObjectFollower(source);
    await follower.until(() => follower.batches.length > 0);
    return follower;
  }

  /** The names of all objects, sorted. */
  get names(): readonly string[] {
    return [...this.objects.values()].map((object) => object.metadata.name).sort();
  }

  /** The codes of all present diagnostics, sorted. */
  get codes(): readonly string[] {
    return this.diagnostics.map((diagnostic) => diagnostic.code).sort();
  }

  /** @param key as `objectKey` has it: `Service/default/web`. */
  get(key: string): KubeObject | undefined {
    return this.objects.get(key);
  }

  locate(object: ObjectRef, path: FieldPath): Location | undefined {
    return this.#source.locate(object, path);
  }

  /** Waits until the condition holds after some batch. */
  async until(condition: () => boolean): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(() => timeout.reject(new Error(`not within ${WITHIN_MS} ms: ${condition}\n${this.#describe()}`)), WITHIN_MS);
    try {
      while (!condition()) {
        if (this.#failure) throw this.#failure;
        await Promise.race([this.#taken.promise, timeout.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#end;
    if (this.#failure) throw this.#failure;
  }

  async #run(): Promise<void> {
    for await (const batch of this.#source.watch(this.#abort.signal)) {
      this.#apply(batch);
      this.#taken.resolve();
      this.#taken = Promise.withResolvers();
    }
  }

  #apply(batch: ObjectBatch): void {
    for (const ref of batch.removals)
      assert.ok(this.objects.delete(objectKey(ref)), `${objectKey(ref)} was removed without having been there`);
    for (const object of batch.upserts) this.objects.set(objectKey(refOf(object)), object);
    this.diagnostics = batch.diagnostics;
    this.batches.push(batch);
  }

  #describe(): string {
    const diagnostics = this.diagnostics.map(({ code, message, location }) => `${location?.file}:${location?.line} ${code}: ${message}`);
    return [`objects: ${[...this.objects.keys()].join(', ')}`, ...diagnostics].join('\n');
  }
}
