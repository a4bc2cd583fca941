import type { Published, PublishedChange, SnapshotCache } from './cache.ts';
import type { ResourceName } from './resource.ts';
import { RootsView, type View, type Views } from './view.ts';

export interface LedViewsOptions {
  readonly cache: SnapshotCache;
  /** What nodes see of the cache anyway … */
  readonly base: Views;
  /** … but for names of these types that this says so of: of them they see only what they are led to. */
  readonly apart: ReadonlyMap<string, (name: string) => boolean>;
  /** What a node sees of another cache; for this alone, and to be closed by it. */
  readonly leadOf: (nodeId: string) => RootsView;
  /** Of that, the type whose resources lead to resources of the cache … */
  readonly typeUrl: string;
  /** … and to which. */
  readonly leadsTo: (published: Published) => readonly ResourceName[];
}

/** Views of nodes that also hold what resources of another cache lead to which the node sees there, with all that these require. */
export class LedViews implements Views {
  readonly #options: LedViewsOptions;
  readonly #views = new Map<string, LedView>();

  constructor(options: LedViewsOptions) {
    this.#options = options;
  }

  of(nodeId: string): View {
    const base = this.#options.base.of(nodeId);
    const known = this.#views.get(nodeId);
    if (known?.base === base) return known;
    const view = new LedView({ ...this.#options, base, lead: this.#options.leadOf(nodeId) });
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
}

interface LedViewParts extends Pick<LedViewsOptions, 'cache' | 'apart' | 'typeUrl' | 'leadsTo'> {
  readonly base: View;
  readonly lead: RootsView;
}

class LedView implements View {
  readonly base: View;
  readonly #parts: LedViewParts;
  readonly #watchers = new Set<(change: PublishedChange) => void>();
  readonly #cleanUp = new DisposableStack();
  /** By what leads to it. */
  readonly #led = new Map<string, RootsView>();

  constructor(parts: LedViewParts) {
    this.#parts = parts;
    this.base = parts.base;
    const { lead, typeUrl } = parts;
    for (const name of lead.ofType(typeUrl).keys()) this.#follow(name);
    this.#cleanUp.defer(lead.watch(({ names }) => this.#onLead(names)));
    const { base, apart } = parts;
    this.#cleanUp.defer(
      base.watch(({ revision, names }) =>
        this.#tell({ revision, names: names.filter(({ typeUrl, name }) => !apart.get(typeUrl)?.(name)) }),
      ),
    );
    this.#cleanUp.defer(() => lead.close());
  }

  get revision(): number {
    return this.base.revision;
  }

  get isReady(): boolean {
    return this.base.isReady;
  }

  published(typeUrl: string, name: string): Published | undefined {
    return this.#find(typeUrl, name, (view) => view.published(typeUrl, name));
  }

  ofType(typeUrl: string): ReadonlyMap<string, Published> {
    const led = [...this.#led.values()].map((view) => view.ofType(typeUrl)).filter(({ size }) => size > 0);
    const base = this.#shown(typeUrl);
    return led.length === 0 ? base : new Map([base, ...led].flatMap((all) => [...all]));
  }

  grants(typeUrl: string, name: string): boolean {
    return this.#find(typeUrl, name, (view) => view.grants(typeUrl, name) || undefined) ?? false;
  }

  isUnknown(typeUrl: string, name: string): boolean {
    return this.#find(typeUrl, name, (view) => view.isUnknown(typeUrl, name) || undefined) ?? false;
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
    for (const view of this.#led.values()) view.close();
  }

  #shown(typeUrl: string): ReadonlyMap<string, Published> {
    const isApart = this.#parts.apart.get(typeUrl);
    const all = this.base.ofType(typeUrl);
    return isApart ? new Map([...all].filter(([name]) => !isApart(name))) : all;
  }

  #find<T>(typeUrl: string, name: string, ask: (view: View) => T | undefined): T | undefined {
    const found = this.#parts.apart.get(typeUrl)?.(name) ? undefined : ask(this.base);
    if (found !== undefined) return found;
    for (const view of this.#led.values()) {
      const answer = ask(view);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  #tell(change: PublishedChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  #onLead(names: readonly ResourceName[]): void {
    const touched = names.filter(({ typeUrl }) => typeUrl === this.#parts.typeUrl).flatMap(({ name }) => this.#follow(name));
    if (touched.length > 0) this.#tell({ revision: this.revision, names: touched });
  }

  /** @returns what may be seen now and could not be before, or the other way round */
  #follow(name: string): readonly ResourceName[] {
    const { cache, lead, typeUrl, leadsTo } = this.#parts;
    const before = this.#led.get(name);
    const published = lead.published(typeUrl, name);
    before?.close();
    this.#led.delete(name);
    if (!published) return namesIn(before);
    const view = new RootsView(cache, leadsTo(published));
    view.watch((change) => this.#tell(change));
    this.#led.set(name, view);
    return [...namesIn(before), ...namesIn(view)];
  }
}

function namesIn(view: RootsView | undefined): readonly ResourceName[] {
  return view?.names() ?? [];
}
