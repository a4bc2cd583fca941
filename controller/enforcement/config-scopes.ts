import {
  ALL_NODES,
  CONFIG_SCOPE_TYPE,
  contentVersion,
  type Resource,
  type ResourceChange,
  type ResourceName,
  SLOT_TYPE,
} from '../../xds-server/serve/index.ts';
import type { ConfigScope, NamedScope } from '../pipeline/taken-services.ts';

export interface ConfigScopesOptions {
  /** Tells nodes of a change that nobody asked for. */
  readonly publish: (change: ResourceChange) => void;
  /** How long nodes see what a config has no longer, in milliseconds. Default 20 000. */
  readonly lingerMs?: number;
}

/** Longer than what listeners need outlives them: `controller/late-removals.ts`. A node goes by what it sees, so it is to see that until then. */
const LINGER_MS = 20_000;
const NOTHING: readonly ResourceName[] = [];

/** What nodes see of CiliumEnvoyConfigs: a resource that requires the slots of their listeners, and leads to all of theirs that Envoys have. */
export class ConfigScopes {
  readonly #options: ConfigScopesOptions;
  readonly #configs = new Map<string, ConfigScope>();
  /** What some config had until now, by timer. */
  readonly #leaving = new Map<NodeJS.Timeout, readonly ResourceName[]>();
  #leadsTo = NOTHING;

  constructor(options: ConfigScopesOptions) {
    this.#options = options;
  }

  /** What the scope that was told last leads to. */
  get leadsTo(): readonly ResourceName[] {
    return this.#leadsTo;
  }

  /** @returns what nodes are to be told */
  take(scopes: readonly NamedScope[]): ResourceChange {
    if (scopes.length === 0) return { upserts: [], removals: [] };
    const before = scopes.flatMap(({ config }) => this.#configs.get(config)?.resources ?? NOTHING);
    for (const { config, scope } of scopes) {
      if (scope) this.#configs.set(config, scope);
      else this.#configs.delete(config);
    }
    const has = new Set(scopes.flatMap(({ scope }) => (scope?.resources ?? NOTHING).map(keyOf)));
    this.#linger(before.filter((name) => !has.has(keyOf(name))));
    return this.#told();
  }

  close(): void {
    for (const timer of this.#leaving.keys()) clearTimeout(timer);
  }

  #linger(names: readonly ResourceName[]): void {
    if (names.length === 0) return;
    const timer = setTimeout(() => {
      this.#leaving.delete(timer);
      this.#options.publish(this.#told());
    }, this.#options.lingerMs ?? LINGER_MS).unref();
    this.#leaving.set(timer, names);
  }

  #told(): ResourceChange {
    const configs = [...this.#configs.values()];
    const names = [...configs.map(({ resources }) => resources), ...this.#leaving.values()].flat();
    this.#leadsTo = [...new Map(names.map((name) => [keyOf(name), name])).values()];
    const slots = [...new Set(configs.flatMap((config) => config.slots))].sort();
    const name = { typeUrl: CONFIG_SCOPE_TYPE, name: ALL_NODES };
    if (this.#leadsTo.length + slots.length === 0) return { upserts: [], removals: [name] };
    return { upserts: [scopeOf(this.#leadsTo, slots)], removals: [] };
  }
}

function scopeOf(names: readonly ResourceName[], slots: readonly string[]): Resource {
  const body = Buffer.from([...names.map(keyOf).sort(), ...slots].join('\n'));
  const requires = slots.map((slot) => ({ typeUrl: SLOT_TYPE, name: slot }));
  return { typeUrl: CONFIG_SCOPE_TYPE, name: ALL_NODES, version: contentVersion(body), body, requires };
}

function keyOf({ typeUrl, name }: ResourceName): string {
  return `${typeUrl} ${name}`;
}
