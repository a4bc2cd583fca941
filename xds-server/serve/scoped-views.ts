import type { Published, PublishedChange, SnapshotCache } from './cache.ts';
import { LedViews } from './led-views.ts';
import type { ResourceName } from './resource.ts';
import {
  ADDRESS_TYPE,
  CONFIG_SCOPE_TYPE,
  ENDPOINT_SLICE_TYPE,
  IDENTITY_TYPE,
  NODE_ENDPOINTS_TYPE,
  NODE_SCOPE_TYPE,
  REDIRECT_TYPE,
  SERVICE_TYPE,
} from './types.ts';
import { RootsView, type View, type Views } from './view.ts';

export interface ScopedViewsOptions {
  readonly cache: SnapshotCache;
  /** Type URLs of which every node sees everything. */
  readonly shared: ReadonlySet<string>;
  /** What of the other types a node sees, with all that it requires. */
  readonly rootsOf: (nodeId: string) => readonly ResourceName[];
}

/** The scope of what all nodes have of CiliumEnvoyConfigs. */
export const ALL_NODES = 'all';

/** What of policies, and of CiliumEnvoyConfigs, is a node's own. */
export function rootsOfNode(name: string): readonly ResourceName[] {
  return [
    { typeUrl: NODE_ENDPOINTS_TYPE, name },
    { typeUrl: CONFIG_SCOPE_TYPE, name: ALL_NODES },
    { typeUrl: NODE_SCOPE_TYPE, name },
  ];
}

/**
 * Of whoever enforces policy on a node: all identities, addresses and Services, its own endpoints and listeners that Services are led to, and what
 * these require.
 */
export function enforcementViews(cache: SnapshotCache): Views {
  const shared = new Set([ADDRESS_TYPE, IDENTITY_TYPE, SERVICE_TYPE, ENDPOINT_SLICE_TYPE, REDIRECT_TYPE]);
  return new LedViews({
    cache,
    base: new ScopedViews({ cache, shared, rootsOf: rootsOfNode }),
    leadOf: (node) => new RootsView(cache, rootsOfNode(node)),
    leads: new Map([[CONFIG_SCOPE_TYPE, ({ resource }) => resource.requires]]),
  });
}

/** Views of nodes that have most in common, and each something of its own. A view lasts while there are clients that have it. */
export class ScopedViews implements Views {
  readonly #options: ScopedViewsOptions;
  readonly #views = new Map<string, ScopedView>();

  constructor(options: ScopedViewsOptions) {
    this.#options = options;
  }

  of(nodeId: string): View {
    const known = this.#views.get(nodeId);
    if (known) return known;
    const { cache, shared, rootsOf } = this.#options;
    const view = new ScopedView(cache, shared, new RootsView(cache, rootsOf(nodeId)), () => this.#views.delete(nodeId));
    this.#views.set(nodeId, view);
    return view;
  }

  /** What a node may see never changes; what there is of it does. */
  watch(): () => void {
    return () => {};
  }

  release(view: View): void {
    if (view instanceof ScopedView) view.close();
  }
}

class ScopedView implements View {
  readonly #cache: SnapshotCache;
  readonly #shared: ReadonlySet<string>;
  readonly #own: RootsView;
  readonly #onClose: () => void;

  constructor(cache: SnapshotCache, shared: ReadonlySet<string>, own: RootsView, onClose: () => void) {
    this.#cache = cache;
    this.#shared = shared;
    this.#own = own;
    this.#onClose = onClose;
  }

  get revision(): number {
    return this.#cache.revision;
  }

  get isReady(): boolean {
    return this.#cache.isReady;
  }

  published(typeUrl: string, name: string): Published | undefined {
    return this.#viewOf(typeUrl).published(typeUrl, name);
  }

  ofType(typeUrl: string): ReadonlyMap<string, Published> {
    return this.#viewOf(typeUrl).ofType(typeUrl);
  }

  grants(typeUrl: string, name: string): boolean {
    return this.#viewOf(typeUrl).grants(typeUrl, name);
  }

  isUnknown(typeUrl: string, name: string): boolean {
    return this.#viewOf(typeUrl).isUnknown(typeUrl, name);
  }

  knows(typeUrl: string): boolean {
    return this.#cache.knows(typeUrl);
  }

  /** Calls back twice for a revision: with what is shared, and with what is not. */
  watch(watcher: (change: PublishedChange) => void): () => void {
    const tell = ({ revision, names }: PublishedChange, isShared: boolean) =>
      watcher({ revision, names: names.filter(({ typeUrl }) => this.#shared.has(typeUrl) === isShared) });
    const unwatch = [this.#cache.watch((change) => tell(change, true)), this.#own.watch((change) => tell(change, false))];
    return () => {
      for (const stop of unwatch) stop();
    };
  }

  close(): void {
    this.#own.close();
    this.#onClose();
  }

  #viewOf(typeUrl: string): View {
    return this.#shared.has(typeUrl) ? this.#cache : this.#own;
  }
}
