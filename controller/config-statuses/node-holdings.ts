import type { HoldingReport, RefusedVersion, ResourceName } from '../../xds-server/serve/index.ts';
import type { NodeHolding } from './progress.ts';

/** More than a node has of one type. */
const MAX_NAMES = 50_000;

/** What the Envoys of nodes have, as their agents tell it. */
export class NodeHoldings {
  readonly #nodes = new Map<string, Holding>();

  get(node: string): NodeHolding | undefined {
    return this.#nodes.get(node);
  }

  /**
   * @param report undefined where a node begins anew
   * @returns what it has otherwise than before
   */
  take(node: string, report: HoldingReport | undefined): readonly ResourceName[] {
    if (!report) {
      const before = this.forget(node);
      this.#nodes.set(node, new Holding());
      return before;
    }
    return this.#nodes.get(node)?.take(report) ?? [];
  }

  /** @returns what it had */
  forget(node: string): readonly ResourceName[] {
    const before = this.#nodes.get(node)?.names() ?? [];
    this.#nodes.delete(node);
    return before;
  }
}

interface OfType {
  readonly accepted: Map<string, string>;
  refused: ReadonlyMap<string, RefusedVersion>;
}

class Holding implements NodeHolding {
  readonly #types = new Map<string, OfType>();

  version({ typeUrl, name }: ResourceName): string | undefined {
    return this.#types.get(typeUrl)?.accepted.get(name);
  }

  refusal({ typeUrl, name }: ResourceName): RefusedVersion | undefined {
    return this.#types.get(typeUrl)?.refused.get(name);
  }

  take({ typeUrl, accepted, gone, refused }: HoldingReport): readonly ResourceName[] {
    const known = this.#types.get(typeUrl) ?? { accepted: new Map<string, string>(), refused: new Map<string, RefusedVersion>() };
    this.#types.set(typeUrl, known);
    const touched = new Set<string>();
    for (const name of gone) if (known.accepted.delete(name)) touched.add(name);
    for (const [name, version] of accepted) {
      if (known.accepted.get(name) === version || known.accepted.size >= MAX_NAMES) continue;
      known.accepted.set(name, version);
      touched.add(name);
    }
    const before = known.refused;
    known.refused = new Map(refused.entries().take(MAX_NAMES));
    for (const name of new Set([...before.keys(), ...known.refused.keys()])) {
      if (before.get(name)?.version !== known.refused.get(name)?.version) touched.add(name);
    }
    return Array.from(touched, (name) => ({ typeUrl, name }));
  }

  names(): readonly ResourceName[] {
    return [...this.#types].flatMap(([typeUrl, { accepted, refused }]) =>
      [...accepted.keys(), ...refused.keys()].map((name) => ({ typeUrl, name })),
    );
  }
}
