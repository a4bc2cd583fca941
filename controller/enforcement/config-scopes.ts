import type { LabelSelectorSpec } from '../../kube/index.ts';
import {
  ALL_NODES,
  CONFIG_SCOPE_TYPE,
  contentVersion,
  type Lead,
  type Resource,
  type ResourceChange,
  type ResourceName,
  SLOT_TYPE,
} from '../../xds-server/serve/index.ts';
import type { ConfigScope, NamedScope } from '../pipeline/taken-services.ts';
import { NodeScopes } from './node-scopes.ts';

export interface ConfigScopesOptions {
  /** Tells nodes of a change that nobody asked for. */
  readonly publish: (change: ResourceChange) => void;
  /** How long nodes see what a config has no longer, and what is no longer for them, in milliseconds. Default 20 000. */
  readonly lingerMs?: number;
}

/** Longer than what listeners need outlives them: `controller/late-removals.ts`. A node goes by what it sees, so it is to see that until then. */
const LINGER_MS = 20_000;
const NOTHING: readonly ResourceName[] = [];

/** Configs that are for the same nodes. */
interface Group {
  readonly selector: LabelSelectorSpec | undefined;
  readonly configs: Map<string, ConfigScope>;
  /** What some config had until now, by timer. */
  readonly leaving: Map<NodeJS.Timeout, readonly ResourceName[]>;
}

/**
 * What nodes see of CiliumEnvoyConfigs: for those of each selector a resource that requires the slots of their listeners, and leads to all of
 * theirs that Envoys have.
 */
export class ConfigScopes {
  readonly #options: ConfigScopesOptions;
  readonly #groups = new Map<string, Group>();
  /** By config. */
  readonly #groupOf = new Map<string, string>();
  readonly #leads = new WeakMap<Resource, readonly ResourceName[]>();
  readonly #nodes: NodeScopes;
  #isOfSome = false;

  constructor(options: ConfigScopesOptions) {
    this.#options = options;
    this.#nodes = new NodeScopes({ publish: options.publish, lingerMs: options.lingerMs ?? LINGER_MS });
  }

  /** What a scope leads to. */
  readonly leadsTo: Lead = ({ resource }) => this.#leads.get(resource) ?? NOTHING;

  /** Whether what was taken in last was, or is, not for all nodes. */
  get isOfSome(): boolean {
    return this.#isOfSome;
  }

  /** Slots of listeners that a node does not have, sorted. */
  slotsElsewhere(node: string): readonly string[] {
    const others = [...this.#groups].filter(([name]) => name !== ALL_NODES && !this.#nodes.has(node, name));
    return others.flatMap(([, { configs }]) => slotsOf(configs.values())).sort();
  }

  /** @param labels absent: there is no such node any more */
  setNode(name: string, labels?: Readonly<Record<string, string>>): void {
    this.#nodes.setNode(name, labels);
  }

  /** What nodes are to be told of what has become of their labels. */
  takeNodes(): ResourceChange {
    return this.#nodes.take();
  }

  /** @returns what nodes are to be told */
  take(scopes: readonly NamedScope[]): ResourceChange {
    const changes = new Map<string, { readonly before: ResourceName[]; readonly has: Set<string> }>();
    const changeOf = (group: string) => {
      const change = changes.get(group) ?? { before: [], has: new Set<string>() };
      changes.set(group, change);
      return change;
    };
    for (const { config, scope } of scopes) {
      const former = this.#remove(config);
      if (former) changeOf(former.group).before.push(...former.scope.resources);
      if (!scope) continue;
      const { has } = changeOf(this.#add(config, scope));
      for (const resource of scope.resources) has.add(keyOf(resource));
    }
    for (const [group, { before, has }] of changes) {
      this.#linger(
        group,
        before.filter((name) => !has.has(keyOf(name))),
      );
    }
    this.#isOfSome = changes.keys().some((group) => group !== ALL_NODES);
    return this.#told([...changes.keys()]);
  }

  close(): void {
    for (const { leaving } of this.#groups.values()) for (const timer of leaving.keys()) clearTimeout(timer);
    this.#nodes.close();
  }

  #add(config: string, scope: ConfigScope): string {
    const name = scope.nodeSelector ? `nodes ${JSON.stringify(scope.nodeSelector)}` : ALL_NODES;
    const group = this.#groups.get(name) ?? { selector: scope.nodeSelector, configs: new Map(), leaving: new Map() };
    group.configs.set(config, scope);
    this.#groups.set(name, group);
    this.#groupOf.set(config, name);
    return name;
  }

  #remove(config: string): { readonly group: string; readonly scope: ConfigScope } | undefined {
    const group = this.#groupOf.get(config) ?? '';
    const scope = this.#groups.get(group)?.configs.get(config);
    this.#groups.get(group)?.configs.delete(config);
    this.#groupOf.delete(config);
    return scope && { group, scope };
  }

  #linger(name: string, names: readonly ResourceName[]): void {
    const group = this.#groups.get(name);
    if (names.length === 0 || !group) return;
    const timer = setTimeout(() => {
      group.leaving.delete(timer);
      this.#options.publish(this.#told([name]));
    }, this.#options.lingerMs ?? LINGER_MS).unref();
    group.leaving.set(timer, names);
  }

  #told(names: readonly string[]): ResourceChange {
    const each = names.map((name) => this.#toldOf(name));
    const nodes = this.#nodes.take();
    return {
      upserts: [...each.flatMap((scope) => ('body' in scope ? [scope] : [])), ...nodes.upserts],
      removals: [...each.flatMap((scope) => ('body' in scope ? [] : [scope])), ...nodes.removals],
    };
  }

  #toldOf(name: string): Resource | ResourceName {
    const group = this.#groups.get(name);
    if (!group || group.configs.size + group.leaving.size === 0) {
      this.#groups.delete(name);
      this.#nodes.setScope(name);
      return { typeUrl: CONFIG_SCOPE_TYPE, name };
    }
    const { selector, configs, leaving } = group;
    if (selector) this.#nodes.setScope(name, selector);
    const all = [...Array.from(configs.values(), ({ resources }) => resources), ...leaving.values()].flat();
    const resources = [...new Map(all.map((each) => [keyOf(each), each])).values()];
    const scope = scopeOf(name, resources, slotsOf(configs.values()));
    this.#leads.set(scope, resources);
    return scope;
  }
}

function slotsOf(scopes: Iterable<ConfigScope>): readonly string[] {
  return [...new Set([...scopes].flatMap(({ slots }) => slots))].sort();
}

function scopeOf(name: string, names: readonly ResourceName[], slots: readonly string[]): Resource {
  const body = Buffer.from([...names.map(keyOf).sort(), ...slots].join('\n'));
  const requires = slots.map((slot) => ({ typeUrl: SLOT_TYPE, name: slot }));
  return { typeUrl: CONFIG_SCOPE_TYPE, name, version: contentVersion(body), body, requires };
}

function keyOf({ typeUrl, name }: ResourceName): string {
  return `${typeUrl} ${name}`;
}
