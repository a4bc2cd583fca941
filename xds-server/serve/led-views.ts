import { ByType } from './by-type.ts';
import type { Published, PublishedChange, SnapshotCache } from './cache.ts';
import type { ResourceName } from './resource.ts';
import { RootsView, type View, type Views } from './view.ts';

export interface LedViewsOptions {
  readonly cache: SnapshotCache;
  /** What nodes see of the cache anyway. */
  readonly base: Views;
  /**
   * Of what that is, where it is the whole cache: only that of which this is so, and all that it requires. The rest nodes see where they are led to it. Default:
   * the whole cache.
   */
  readonly whole?: (name: ResourceName) => boolean;
  /** What a node sees of another cache; for this alone, and to be closed by it. */
  readonly leadOf: (nodeId: string) => RootsView;
  /** Of that, by type, which resources lead to resources of the cache, and to which. */
  readonly leads: ReadonlyMap<string, Lead>;
}

export type Lead = (published: Published) => readonly ResourceName[];

/** Views of nodes that also hold what resources of another cache, or of this, lead to which the node sees there, with all that these require. */
export class LedViews implements Views {
  readonly #options: LedViewsOptions;
  readonly #views = new Map<string, LedView>();
  readonly #led: SharedLeads;
  /** Nodes share it. */
  #whole: RootsView | undefined;

  constructor(options: LedViewsOptions) {
    this.#options = options;
    this.#led = new SharedLeads(options.cache, options.leads);
  }

  of(nodeId: string): View {
    const base = this.#baseOf(nodeId);
    const known = this.#views.get(nodeId);
    if (known?.base === base) return known;
    const { leadOf, leads } = this.#options;
    const view = new LedView({ base, lead: leadOf(nodeId), types: [...leads.keys()], led: this.#led });
    this.#views.set(nodeId, view);
    return view;
  }

  watch(watcher: (nodes: readonly string[] | undefined) => void): () => void {
    return this.#options.base.watch(watcher);
  }

  release(view: View): void {
    if (!(view instanceof LedView)) return;
    view.close();
    for (const [node, known] of this.#views) if (known === view) this.#views.delete(node);
    this.#options.base.release?.(view.base);
  }

  #baseOf(nodeId: string): View {
    const { base, cache, whole } = this.#options;
    const view = base.of(nodeId);
    if (view !== cache || !whole) return view;
    this.#whole ??= new RootsView(cache, whole);
    return this.#whole;
  }
}

/** What a version of a resource leads to; nodes that see it share one view of that. */
interface Led {
  readonly view: RootsView;
  readonly published: Published;
  users: number;
}

class SharedLeads {
  readonly #cache: SnapshotCache;
  readonly #leads: ReadonlyMap<string, Lead>;
  readonly #shared = new Map<Published, Led>();
  /** What was found last. */
  #last:
    | {
        readonly revision: number;
        readonly before: Led | undefined;
        readonly after: Led | undefined;
        readonly names: readonly ResourceName[];
      }
    | undefined;

  constructor(cache: SnapshotCache, leads: ReadonlyMap<string, Lead>) {
    this.#cache = cache;
    this.#leads = leads;
  }

  /** @returns undefined for what leads nowhere; else to be released */
  take(published: Published | undefined): Led | undefined {
    if (!published) return undefined;
    const known = this.#shared.get(published);
    if (known) {
      known.users++;
      return known;
    }
    const names = this.#leads.get(published.resource.typeUrl)?.(published) ?? [];
    if (names.length === 0) return undefined;
    const led: Led = { view: new RootsView(this.#cache, names), published, users: 1 };
    this.#shared.set(published, led);
    return led;
  }

  /**
   * What one has and the other has not, or has otherwise: the former may not have told of this revision yet, and is not listened to any more. Nodes go from
   * one to the other in a row, so it is looked for once.
   */
  difference(before: Led | undefined, after: Led | undefined): readonly ResourceName[] {
    const { revision } = this.#cache;
    const last = this.#last;
    if (last?.revision === revision && last.before === before && last.after === after) return last.names;
    const names = [...unlike(after?.view, before?.view), ...missingIn(before?.view, after?.view)];
    this.#last = { revision, before, after, names };
    return names;
  }

  release(led: Led | undefined): void {
    if (!led || --led.users > 0) return;
    this.#shared.delete(led.published);
    led.view.close();
  }
}

interface Following {
  readonly led: Led;
  readonly unwatch: () => void;
}

interface LedViewParts {
  readonly base: View;
  readonly lead: RootsView;
  /** Of resources that may lead somewhere. */
  readonly types: readonly string[];
  readonly led: SharedLeads;
}

class LedView implements View {
  readonly base: View;
  readonly #parts: LedViewParts;
  readonly #watchers = new Set<(change: PublishedChange) => void>();
  readonly #cleanUp = new DisposableStack();
  /** By what leads to it. */
  readonly #following = new ByType<Following>();

  constructor(parts: LedViewParts) {
    this.#parts = parts;
    this.base = parts.base;
    const { base, lead, types } = parts;
    for (const typeUrl of types) for (const name of lead.ofType(typeUrl).keys()) this.#follow({ typeUrl, name });
    this.#cleanUp.defer(lead.watch(({ names }) => this.#onLead(names)));
    this.#cleanUp.defer(base.watch((change) => this.#tell(change)));
    this.#cleanUp.defer(() => lead.close());
  }

  get revision(): number {
    return this.base.revision;
  }

  get isReady(): boolean {
    return this.base.isReady;
  }

  published(typeUrl: string, name: string): Published | undefined {
    return this.#find((view) => view.published(typeUrl, name));
  }

  ofType(typeUrl: string): ReadonlyMap<string, Published> {
    const led = Array.from(this.#led(), (view) => view.ofType(typeUrl)).filter(({ size }) => size > 0);
    const base = this.base.ofType(typeUrl);
    return led.length === 0 ? base : new Map([base, ...led].flatMap((all) => [...all]));
  }

  grants(typeUrl: string, name: string): boolean {
    return this.#find((view) => view.grants(typeUrl, name) || undefined) ?? false;
  }

  isUnknown(typeUrl: string, name: string): boolean {
    return this.#find((view) => view.isUnknown(typeUrl, name) || undefined) ?? false;
  }

  knows(typeUrl: string): boolean {
    return this.base.knows(typeUrl);
  }

  watch(watcher: (change: PublishedChange) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  close(): void {
    this.#cleanUp.dispose();
    for (const [, , { led, unwatch }] of this.#following.entries()) {
      unwatch();
      this.#parts.led.release(led);
    }
  }

  *#led(): Iterable<RootsView> {
    for (const [, , { led }] of this.#following.entries()) yield led.view;
  }

  #find<T>(ask: (view: View) => T | undefined): T | undefined {
    const found = ask(this.base);
    if (found !== undefined) return found;
    for (const view of this.#led()) {
      const answer = ask(view);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  #tell(change: PublishedChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  #onLead(names: readonly ResourceName[]): void {
    const leading = names.filter(({ typeUrl }) => this.#parts.types.includes(typeUrl));
    const touched = leading.flatMap((name) => this.#follow(name));
    if (touched.length > 0) this.#tell({ revision: this.revision, names: touched });
  }

  /** @returns what may be seen now and could not be before, or the other way round, or what changed with that */
  #follow({ typeUrl, name }: ResourceName): readonly ResourceName[] {
    const { lead, led: shared } = this.#parts;
    const before = this.#following.get(typeUrl, name);
    const led = shared.take(lead.published(typeUrl, name));
    if (led) {
      // The base tells of each revision.
      const unwatch = led.view.watch((change) => {
        if (change.names.length > 0) this.#tell(change);
      });
      this.#following.set(typeUrl, name, { led, unwatch });
    } else this.#following.delete(typeUrl, name);
    const touched = shared.difference(before?.led, led);
    before?.unwatch();
    shared.release(before?.led);
    return touched;
  }
}

/** What of a view another one has not, or not of the same revision. */
function unlike(view: RootsView | undefined, other: RootsView | undefined): readonly ResourceName[] {
  return view?.names().filter(({ typeUrl, name }) => view.published(typeUrl, name) !== other?.published(typeUrl, name)) ?? [];
}

/** What of a view another one has not. */
function missingIn(view: RootsView | undefined, other: RootsView | undefined): readonly ResourceName[] {
  return view?.names().filter(({ typeUrl, name }) => !other?.published(typeUrl, name)) ?? [];
}
