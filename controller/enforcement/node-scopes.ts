import type { LabelSelectorSpec } from '../../kube/index.ts';
import { matchesLabels } from '../../settings/index.ts';
import { CONFIG_SCOPE_TYPE, contentVersion, NODE_SCOPE_TYPE, type Resource, type ResourceChange } from '../../xds-server/serve/index.ts';

export interface NodeScopesOptions {
  /** Tells nodes of a change that nobody asked for. */
  readonly publish: (change: ResourceChange) => void;
  /** How long a node sees what it is not to have any more, in milliseconds. */
  readonly lingerMs: number;
}

type Labels = Readonly<Record<string, string>>;

interface NodeState {
  labels: Labels;
  /** Scopes that were the node's until now. */
  readonly leaving: Map<string, NodeJS.Timeout>;
}

/** Which nodes have which scopes of CiliumEnvoyConfigs that are not for all, by their labels. */
export class NodeScopes {
  readonly #options: NodeScopesOptions;
  readonly #selectors = new Map<string, LabelSelectorSpec>();
  readonly #nodes = new Map<string, NodeState>();
  readonly #touched = new Set<string>();

  constructor(options: NodeScopesOptions) {
    this.#options = options;
  }

  /** @param selector absent: there is no such scope any more */
  setScope(scope: string, selector?: LabelSelectorSpec): void {
    if (selector ? this.#selectors.has(scope) : !this.#selectors.delete(scope)) return;
    if (selector) this.#selectors.set(scope, selector);
    for (const [name, node] of this.#nodes) {
      if (!selector) this.#stay(node, scope);
      this.#touched.add(name);
    }
  }

  /** @param labels absent: there is no such node any more */
  setNode(name: string, labels?: Labels): void {
    const node = this.#nodes.get(name);
    this.#touched.add(name);
    if (!labels) {
      for (const scope of node?.leaving.keys() ?? []) if (node) this.#stay(node, scope);
      this.#nodes.delete(name);
    } else if (!node) this.#nodes.set(name, { labels, leaving: new Map() });
    else {
      for (const [scope, selector] of this.#selectors) this.#move(name, node, { scope, has: matchesLabels(selector, labels) });
      node.labels = labels;
    }
  }

  /** Whether a node is to have a scope; one whose labels are not known has none. */
  has(node: string, scope: string): boolean {
    const [labels, selector] = [this.#nodes.get(node)?.labels, this.#selectors.get(scope)];
    return labels !== undefined && selector !== undefined && matchesLabels(selector, labels);
  }

  /** What nodes are to be told that changed since this was asked last. */
  take(): ResourceChange {
    const all = Array.from(this.#touched, (name) => ({ name, scopes: this.#scopesOf(name) }));
    this.#touched.clear();
    return {
      upserts: all.filter(({ scopes }) => scopes.length > 0).map(({ name, scopes }) => nodeScope(name, scopes)),
      removals: all.filter(({ scopes }) => scopes.length === 0).map(({ name }) => ({ typeUrl: NODE_SCOPE_TYPE, name })),
    };
  }

  close(): void {
    for (const node of this.#nodes.values()) for (const scope of node.leaving.keys()) this.#stay(node, scope);
  }

  #move(name: string, node: NodeState, { scope, has }: { readonly scope: string; readonly has: boolean }): void {
    if (has) this.#stay(node, scope);
    else if (this.has(name, scope)) {
      const timer = setTimeout(() => {
        node.leaving.delete(scope);
        this.#touched.add(name);
        this.#options.publish(this.take());
      }, this.#options.lingerMs).unref();
      node.leaving.set(scope, timer);
    }
  }

  #stay({ leaving }: NodeState, scope: string): void {
    clearTimeout(leaving.get(scope));
    leaving.delete(scope);
  }

  #scopesOf(name: string): readonly string[] {
    const leaving = this.#nodes.get(name)?.leaving;
    return [...this.#selectors.keys()].filter((scope) => this.has(name, scope) || leaving?.has(scope)).sort();
  }
}

function nodeScope(name: string, scopes: readonly string[]): Resource {
  const body = Buffer.from(scopes.join('\n'));
  const requires = scopes.map((scope) => ({ typeUrl: CONFIG_SCOPE_TYPE, name: scope }));
  return { typeUrl: NODE_SCOPE_TYPE, name, version: contentVersion(body), body, requires };
}
