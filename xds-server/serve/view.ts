import { ByType } from './by-type.ts';
import type { Published, PublishedChange, SnapshotCache } from './cache.ts';
import type { ResourceName } from './resource.ts';
import { mayRequire } from './types.ts';

/**
 * What a client can see: a cache, or a part of one that holds with each resource all that it requires. To its clients a name outside of a
 * view does not exist. The resources are those of the cache, not copies.
 */
export interface View {
  /** That of the cache. */
  readonly revision: number;
  readonly isReady: boolean;
  published(typeUrl: string, name: string): Published | undefined;
  /** The resources of one type by name. */
  ofType(typeUrl: string): ReadonlyMap<string, Published>;
  /** Whether a name belongs to the view, be it there or not. */
  grants(typeUrl: string, name: string): boolean;
  /** Whether a name that is not there may exist all the same. */
  isUnknown(typeUrl: string, name: string): boolean;
  /** Whether anything is known of a type, be it that there is nothing. */
  knows(typeUrl: string): boolean;
  /**
   * Calls back after each revision, and when the view alone has changed, synchronously, with what came, went or changed in it. Returns how
   * to stop it.
   */
  watch(watcher: (change: PublishedChange) => void): () => void;
}

/** Which node may see what. */
export interface Views {
  of(nodeId: string): View;
  /** Calls back when nodes, or any of them (undefined), may have another view than before. Returns how to stop it. */
  watch(watcher: (nodes: readonly string[] | undefined) => void): () => void;
  /** Told when no client has a view any longer; the next one of the node asks for it again. */
  release?(view: View): void;
}

/** What a view holds by itself: names, whether or not they exist, or all of which something is so. */
export type Roots = Iterable<ResourceName> | ((name: ResourceName) => boolean);

/** A view of roots and of all that they require, in so many steps; of nothing where there are no roots. */
export class RootsView implements View {
  readonly #cache: SnapshotCache;
  readonly #unwatch: () => void;
  readonly #watchers = new Set<(change: PublishedChange) => void>();
  readonly #isRoot: (name: ResourceName) => boolean;
  /** How many of what can be seen require a name, one more for a root that is named. */
  readonly #uses = new ByType<number>();
  readonly #seen = new ByType<Published>();

  constructor(cache: SnapshotCache, roots: Roots) {
    this.#cache = cache;
    this.#isRoot = typeof roots === 'function' ? roots : () => false;
    const named = typeof roots === 'function' ? [] : [...roots];
    for (const root of named) this.#use(root, 1);
    this.#follow(typeof roots === 'function' ? namesIn(cache).filter(roots) : named);
    this.#unwatch = cache.watch(({ names }) => this.#tell(this.#follow(names)));
  }

  get revision(): number {
    return this.#cache.revision;
  }

  get isReady(): boolean {
    return this.#cache.isReady;
  }

  published(typeUrl: string, name: string): Published | undefined {
    return this.#seen.get(typeUrl, name);
  }

  ofType(typeUrl: string): ReadonlyMap<string, Published> {
    return this.#seen.of(typeUrl);
  }

  grants(typeUrl: string, name: string): boolean {
    return this.#uses.get(typeUrl, name) !== undefined || this.#isRoot({ typeUrl, name });
  }

  /** Of what nobody granted it is known that it does not exist, whatever the cache knows. */
  isUnknown(typeUrl: string, name: string): boolean {
    return this.grants(typeUrl, name) && this.#cache.isUnknown(typeUrl, name);
  }

  knows(typeUrl: string): boolean {
    return this.#cache.knows(typeUrl);
  }

  watch(watcher: (change: PublishedChange) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** All that there is of it. */
  names(): readonly ResourceName[] {
    return Array.from(this.#seen.entries(), ([typeUrl, name]) => ({ typeUrl, name }));
  }

  /** Follows the cache no longer. */
  close(): void {
    this.#unwatch();
  }

  #tell(names: readonly ResourceName[]): void {
    for (const watcher of this.#watchers) watcher({ revision: this.revision, names });
  }

  /**
   * Takes in what the cache has of names now, and what that leads to. Costs a look at each name, and at what is required by those of them
   * that can be seen.
   * @returns what came, went or changed
   */
  #follow(names: readonly ResourceName[]): readonly ResourceName[] {
    const touched: ResourceName[] = [];
    const open = [...names];
    for (let next = open.pop(); next; next = open.pop()) {
      const { typeUrl, name } = next;
      const before = this.#seen.get(typeUrl, name);
      const current = this.grants(typeUrl, name) ? this.#cache.published(typeUrl, name) : undefined;
      if (before === current) continue;
      touched.push({ typeUrl, name });
      if (current) this.#seen.set(typeUrl, name, current);
      else this.#seen.delete(typeUrl, name);
      for (const required of deeperThan(current)) if (this.#use(required, 1)) open.push(required);
      for (const required of deeperThan(before)) if (this.#use(required, -1)) open.push(required);
    }
    return touched;
  }

  /** @returns whether the name came to be used, or is used no longer */
  #use({ typeUrl, name }: ResourceName, by: 1 | -1): boolean {
    const before = this.#uses.get(typeUrl, name) ?? 0;
    const after = before + by;
    if (after === 0) this.#uses.delete(typeUrl, name);
    else this.#uses.set(typeUrl, name, after);
    return before === 0 || after === 0;
  }
}

function namesIn(cache: SnapshotCache): readonly ResourceName[] {
  return [...cache.typeUrls()].flatMap((typeUrl) => Array.from(cache.ofType(typeUrl).keys(), (name) => ({ typeUrl, name })));
}

/** Of what requires much: nodes look at it in a row. */
const deeper = new WeakMap<Published, readonly ResourceName[]>();
const MUCH = 16;

/** What requires its like would be used for ever: by itself, when nobody else does. */
function deeperThan(published: Published | undefined): readonly ResourceName[] {
  if (!published) return [];
  const known = deeper.get(published);
  if (known) return known;
  const { typeUrl, requires } = published.resource;
  const found = requires.filter((required) => mayRequire(typeUrl, required.typeUrl));
  if (requires.length > MUCH) deeper.set(published, found);
  return found;
}
