import type { Removal, Resource, ResourceChange } from '../xds-server/serve/resource.ts';

/** Changes that wait to be published together; of what changed several times, the last counts. */
export class HeldChanges {
  readonly #held = new Map<string, Resource | Removal>();

  add({ upserts, removals }: ResourceChange): void {
    for (const resource of upserts) this.#put(resource);
    for (const name of removals) this.#put(name);
  }

  /** All of them, as one change; nothing is held afterwards. */
  take(): ResourceChange {
    const upserts: Resource[] = [];
    const removals: Removal[] = [];
    for (const entry of this.#held.values()) {
      if ('body' in entry) upserts.push(entry);
      else removals.push(entry);
    }
    this.#held.clear();
    return { upserts, removals };
  }

  #put(entry: Resource | Removal): void {
    this.#held.set(`${entry.typeUrl} ${entry.name}`, entry);
  }
}
