import type { Collection, Graph } from '../../collection/index.ts';
import { matchesLabels, type NodeSelector } from '../../settings/index.ts';
import { type Inputs, NOW } from './inputs.ts';

/** Which nodes serve Ingresses. */
export type NodeScope = { readonly kind: 'all' | 'none' } | { readonly kind: 'selected'; readonly selector: NodeSelector };

const ALL_NODES: NodeScope = { kind: 'all' };

/**
 * Which scope counts. A selector does once the labels of all nodes are known, and what was before it until then: at first no node, so that
 * none is given what it may turn out not to need.
 */
export class NodeScopeInForce {
  #scope: NodeScope = { kind: 'none' };

  get isAll(): boolean {
    return this.#scope.kind === 'all';
  }

  /** @param knowsNodes whether all nodes are among the inputs */
  take(inputs: Pick<Inputs, 'nodeScope'>, selector: NodeSelector | undefined, knowsNodes: boolean): void {
    if (selector === undefined) this.#scope = ALL_NODES;
    else if (knowsNodes) this.#scope = { kind: 'selected', selector };
    inputs.nodeScope.set(NOW, this.#scope);
  }
}

export interface NodeScopeStages {
  /** The nodes that a selector matches, by name. */
  readonly selected: Collection<true>;
  /** Whether requests are to be sent to a node. */
  readonly isServing: (read: <V>(collection: Collection<V>, key: string) => V | undefined, node: string | undefined) => boolean;
}

export function buildNodeScope(graph: Graph, inputs: Pick<Inputs, 'nodes' | 'nodeScope' | 'preparing'>): NodeScopeStages {
  const selected = graph.derive('selected nodes', inputs.nodes, ({ metadata }, _name, read): true | undefined => {
    const scope = read(inputs.nodeScope, NOW);
    return scope?.kind === 'selected' && matchesLabels(scope.selector, metadata.labels) ? true : undefined;
  });
  return {
    selected,
    isServing: (read, node) => {
      if (node !== undefined && read(inputs.preparing, node)) return false;
      const scope = read(inputs.nodeScope, NOW)?.kind;
      return scope === 'all' || (scope === 'selected' && node !== undefined && read(selected, node) === true);
    },
  };
}
