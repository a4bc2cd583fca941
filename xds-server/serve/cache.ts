import { ByType } from './by-type.ts';
import { XdsError } from './error.ts';
import { type Overlay, References, validateReferences } from './references.ts';
import type { Resource, ResourceChange, ResourceName } from './resource.ts';
import { nameOfType } from './types.ts';
import type { View } from './view.ts';

/** A resource as it was published. One object stands for one version of a resource everywhere in this layer. */
export interface Published {
  readonly kind: 'published';
  readonly resource: Resource;
  /** The revision of the cache that brought this version. */
  readonly revision: number;
}

/** What a revision really changed. */
export interface PublishedChange {
  readonly revision: number;
  readonly names: readonly ResourceName[];
}

export interface SnapshotCacheOptions {
  /**
   * The cache holds what it was told of a larger state. What it does not have is not known, and no client is told that it does
   * not exist, unless a removal said so; nor need what a resource requires be there. Default: what is not there does not exist.
   */
  readonly partial?: boolean;
}

/**
 * The resources that all clients are to have. Every revision is consistent: what a resource requires is there. Nothing is
 * served before the first call of `replace` or `apply`. It is itself the view of a client that may see everything.
 */
export class SnapshotCache implements View {
  /** Of a partial cache: the types of which anything is known, and the names that are known not to exist. */
  readonly #partial: { readonly types: Set<string>; readonly gone: ByType<true> } | undefined;
  readonly #published = new ByType<Published>();
  readonly #references = new References();
  readonly #watchers = new Set<(change: PublishedChange) => void>();
  #revision = 0;

  constructor({ partial = false }: SnapshotCacheOptions = {}) {
    this.#partial = partial ? { types: new Set(), gone: new ByType() } : undefined;
  }

  /** 0 before anything was published; grows by one with every change that is not empty. */
  get revision(): number {
    return this.#revision;
  }

  /** Whether there is a state to serve, be it an empty one. */
  get isReady(): boolean {
    return this.#revision > 0;
  }

  get(name: ResourceName): Resource | undefined {
    return this.#published.get(name.typeUrl, name.name)?.resource;
  }

  published(typeUrl: string, name: string): Published | undefined {
    return this.#published.get(typeUrl, name);
  }

  /** Whoever sees everything may ask for anything. */
  grants(): boolean {
    return true;
  }

  /** Whether a name that is not there may exist all the same. */
  isUnknown(typeUrl: string, name: string): boolean {
    return this.#partial !== undefined && !this.#published.get(typeUrl, name) && !this.#partial.gone.get(typeUrl, name);
  }

  /** Whether anything is known of a type, be it that there is nothing. */
  knows(typeUrl: string): boolean {
    return this.#partial?.types.has(typeUrl) ?? true;
  }

  typeUrls(): Iterable<string> {
    return this.#published.typeUrls();
  }

  /** The resources of one type by name. */
  ofType(typeUrl: string): ReadonlyMap<string, Published> {
    return this.#published.of(typeUrl);
  }

  /**
   * Publishes a change as one revision. A resource that is there in an equal version is left untouched.
   * @throws XdsError `inconsistent` or `contradiction`; nothing is changed then
   */
  apply(change: ResourceChange): void {
    const overlay: Overlay = new ByType();
    for (const resource of change.upserts) this.#lay(overlay, resource, resource);
    for (const name of change.removals) this.#lay(overlay, name, null);
    this.#commit(overlay);
  }

  /**
   * Publishes a whole state as one revision: what is there and not among the resources is removed.
   * @throws XdsError `inconsistent` or `contradiction`; nothing is changed then
   */
  replace(resources: Iterable<Resource>): void {
    const upserts = [...resources];
    const kept = new ByType<true>();
    for (const { typeUrl, name } of upserts) kept.set(typeUrl, name, true);
    const removals: ResourceName[] = [];
    for (const [typeUrl, name] of this.#published.entries()) if (!kept.get(typeUrl, name)) removals.push({ typeUrl, name });
    this.apply({ upserts, removals });
  }

  /** Forgets names of a partial cache, so that they are unknown; no client is told of anything. */
  forget(typeUrl: string, names: Iterable<string>): void {
    for (const name of names) {
      this.#put({ typeUrl, name }, null);
      this.#partial?.gone.delete(typeUrl, name);
    }
  }

  /** Clients that ask for everything of a type of a partial cache may be answered from now on. */
  learn(typeUrl: string): void {
    if (this.knows(typeUrl)) return;
    this.#partial?.types.add(typeUrl);
    this.#revision++;
    this.#tell([]);
  }

  /** Calls back after each revision, synchronously. Returns how to stop it. */
  watch(watcher: (change: PublishedChange) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #lay(overlay: Overlay, { typeUrl, name }: ResourceName, resource: Resource | null): void {
    if (overlay.get(typeUrl, name) !== undefined) {
      throw new XdsError('contradiction', `${nameOfType(typeUrl)} "${name}" is named twice in one change`);
    }
    overlay.set(typeUrl, name, resource);
  }

  #commit(overlay: Overlay): void {
    const touched: Overlay = new ByType();
    for (const [typeUrl, name, resource] of overlay.entries()) {
      if (this.get({ typeUrl, name })?.version !== resource?.version || this.isUnknown(typeUrl, name)) touched.set(typeUrl, name, resource);
    }
    if (!this.#partial) validateReferences(touched, this.#references, (name) => this.get(name) !== undefined);
    if (touched.isEmpty && this.isReady) return;
    this.#revision++;
    const names: ResourceName[] = [];
    for (const [typeUrl, name, resource] of touched.entries()) {
      this.#put({ typeUrl, name }, resource);
      this.#note(typeUrl, name, resource);
      names.push({ typeUrl, name });
    }
    this.#tell(names);
  }

  #tell(names: readonly ResourceName[]): void {
    for (const watcher of this.#watchers) watcher({ revision: this.#revision, names });
  }

  #note(typeUrl: string, name: string, resource: Resource | null): void {
    this.#partial?.types.add(typeUrl);
    if (resource) this.#partial?.gone.delete(typeUrl, name);
    else this.#partial?.gone.set(typeUrl, name, true);
  }

  #put({ typeUrl, name }: ResourceName, resource: Resource | null): void {
    const before = this.get({ typeUrl, name });
    if (before) this.#references.delete(before);
    if (resource === null) {
      this.#published.delete(typeUrl, name);
      return;
    }
    this.#references.add(resource);
    this.#published.set(typeUrl, name, { kind: 'published', resource, revision: this.#revision });
  }
}
