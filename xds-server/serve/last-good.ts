import { ByType } from './by-type.ts';
import type { Published, PublishedChange, SnapshotCache } from './cache.ts';

/**
 * For each resource the newest version that some client accepted. It is what a client that has nothing gets in place of a
 * version that it refused. Removed resources are forgotten.
 */
export class LastGood {
  readonly #accepted = new ByType<Published>();

  get(typeUrl: string, name: string): Published | undefined {
    return this.#accepted.get(typeUrl, name);
  }

  accept(published: Published): void {
    const { typeUrl, name } = published.resource;
    const before = this.#accepted.get(typeUrl, name);
    if (!before || before.revision < published.revision) this.#accepted.set(typeUrl, name, published);
  }

  forget({ names }: PublishedChange, cache: SnapshotCache): void {
    for (const { typeUrl, name } of names) if (!cache.published(typeUrl, name)) this.#accepted.delete(typeUrl, name);
  }
}
