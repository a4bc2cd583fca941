import type { SnapshotCache } from './cache.ts';
import type { ResourceName } from './resource.ts';
import { RootsView, type View, type Views } from './view.ts';

/** What a node is granted: all that there is, nothing, or names, mostly of listeners, with all that these require. */
export type Grant = PlainGrant | readonly ResourceName[];

export type PlainGrant = 'everything' | 'nothing';

interface SharedView {
  readonly key: string;
  readonly view: RootsView;
  /** Nodes that have it. */
  nodes: number;
}

const NO_ROOTS: readonly ResourceName[] = [];

/**
 * Which node may see what. Nodes that are granted the same share one view, so a change of the cache costs what it touches in each view,
 * however many nodes have it.
 */
export class NodeViews implements Views {
  readonly #cache: SnapshotCache;
  readonly #granted = new Map<string, SharedView | 'everything'>();
  readonly #shared = new Map<string, SharedView>();
  readonly #keys = new WeakMap<readonly ResourceName[], string>();
  readonly #watchers = new Set<(nodes: readonly string[] | undefined) => void>();
  readonly #nothing: RootsView;
  #isOpen: boolean;

  /** @param others what nodes are granted of which nothing was said */
  constructor(cache: SnapshotCache, others: PlainGrant) {
    this.#cache = cache;
    this.#nothing = new RootsView(cache, NO_ROOTS);
    this.#isOpen = others === 'everything';
  }

  of(node: string): View {
    const granted = this.#granted.get(node) ?? (this.#isOpen ? 'everything' : undefined);
    if (granted === undefined) return this.#nothing;
    return granted === 'everything' ? this.#cache : granted.view;
  }

  /** Whether a node may see nothing, whatever there is. */
  isNothing(node: string): boolean {
    return this.of(node) === this.#nothing;
  }

  /**
   * Says what nodes are granted from now on, all at once.
   * @param grants by node; undefined: as all of which nothing was said
   * @param others what those are granted; default: as before
   */
  grant(grants: ReadonlyMap<string, Grant | undefined>, others?: PlainGrant): void {
    const before = new Map([...grants.keys()].map((node) => [node, this.#granted.get(node)]));
    const wasOpen = this.#isOpen;
    if (others !== undefined) this.#isOpen = others === 'everything';
    for (const [node, grant] of grants) this.#set(node, grant);
    for (const watcher of this.#watchers) watcher(wasOpen === this.#isOpen ? [...grants.keys()] : undefined);
    // Not before those that had them have another.
    for (const view of before.values()) if (typeof view === 'object') this.#release(view);
  }

  /** Calls back when nodes, or any of them (undefined), may have another view than before. Returns how to stop it. */
  watch(watcher: (nodes: readonly string[] | undefined) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #set(node: string, grant: Grant | undefined): void {
    if (grant === undefined) this.#granted.delete(node);
    else if (grant === 'everything') this.#granted.set(node, grant);
    else this.#granted.set(node, this.#share(grant === 'nothing' ? NO_ROOTS : grant));
  }

  #share(roots: readonly ResourceName[]): SharedView {
    const key = this.#keyOf(roots);
    const known = this.#shared.get(key);
    const shared = known ?? { key, view: roots.length === 0 ? this.#nothing : new RootsView(this.#cache, distinct(roots)), nodes: 0 };
    this.#shared.set(key, shared);
    shared.nodes++;
    return shared;
  }

  #release(shared: SharedView): void {
    if (--shared.nodes > 0) return;
    this.#shared.delete(shared.key);
    if (shared.view !== this.#nothing) shared.view.close();
  }

  #keyOf(roots: readonly ResourceName[]): string {
    const known = this.#keys.get(roots);
    if (known !== undefined) return known;
    const key = JSON.stringify(distinct(roots).map(({ typeUrl, name }) => [typeUrl, name]));
    this.#keys.set(roots, key);
    return key;
  }
}

/** Sorted, each once. */
function distinct(roots: readonly ResourceName[]): readonly ResourceName[] {
  const byKey = new Map(roots.map((root) => [JSON.stringify([root.typeUrl, root.name]), root]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, root]) => root);
}
