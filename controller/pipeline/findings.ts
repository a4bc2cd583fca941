import type { Collection } from '../../collection/index.ts';
import { compareDiagnostics, type Diagnostic } from '../../model/index.ts';

interface Stage {
  readonly collection: Collection<unknown>;
  readonly diagnosticsAt: (key: string) => readonly Diagnostic[];
}

/** The diagnostics of all stages, kept up to date at the cost of what a change touched. */
export class Findings {
  readonly #stages: Stage[] = [];
  readonly #found = new Map<Stage, Map<string, readonly Diagnostic[]>>();

  /** Takes in a collection whose values bring diagnostics. */
  add<V>(collection: Collection<V>, diagnosticsOf: (value: V, key: string) => readonly Diagnostic[]): void {
    const diagnosticsAt = (key: string) => {
      const value = collection.get(key);
      return value === undefined ? [] : diagnosticsOf(value, key);
    };
    this.#stages.push({ collection, diagnosticsAt });
  }

  /** To be called after each settle of the collections. */
  refresh(): void {
    for (const stage of this.#stages) {
      const found = this.#found.get(stage) ?? new Map<string, readonly Diagnostic[]>();
      this.#found.set(stage, found);
      for (const key of stage.collection.changed) {
        const diagnostics = stage.diagnosticsAt(key);
        if (diagnostics.length > 0) found.set(key, diagnostics);
        else found.delete(key);
      }
    }
  }

  /** Sorted. */
  list(): Diagnostic[] {
    const all: Diagnostic[] = [];
    for (const found of this.#found.values()) {
      for (const diagnostics of found.values()) all.push(...diagnostics);
    }
    return all.sort(compareDiagnostics);
  }
}
