import type { Diagnostic, FieldRef } from '../model/index.ts';
import type { SnapshotCache } from '../xds-server/serve/cache.ts';
import type { Outcome } from '../xds-server/serve/outcome.ts';
import type { ResourceName } from '../xds-server/serve/resource.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { rejectedByEnvoy } from './rejected-by-envoy.ts';

interface Rejection extends ResourceName {
  readonly nodeId: string;
  readonly version: string;
  readonly message: string;
  readonly sources: readonly FieldRef[];
}

/** What clients refuse at present, brought back to the objects that it was made of. */
export class Rejections {
  readonly #pipeline: Pick<Pipeline, 'sourcesOf'>;
  readonly #cache: Pick<SnapshotCache, 'get'>;
  readonly #refused = new Map<string, Rejection>();

  constructor(pipeline: Pick<Pipeline, 'sourcesOf'>, cache: Pick<SnapshotCache, 'get'>) {
    this.#pipeline = pipeline;
    this.#cache = cache;
  }

  /** Returns whether this changed what is refused. */
  note(outcome: Outcome): boolean {
    const { nodeId, typeUrl, name, version, message } = outcome;
    const key = `${nodeId} ${typeUrl} ${name}`;
    if (outcome.outcome !== 'nack') return this.#refused.delete(key);
    this.#refused.set(key, { nodeId, typeUrl, name, version, message, sources: this.#pipeline.sourcesOf({ typeUrl, name }) });
    return true;
  }

  /** Without what has changed since or is gone, of which a client that never had it says nothing more. */
  diagnostics(): Diagnostic[] {
    for (const [key, refused] of this.#refused) {
      if (this.#cache.get(refused)?.version !== refused.version) this.#refused.delete(key);
    }
    return [...this.#refused.values()].flatMap(diagnose);
  }
}

function diagnose({ typeUrl, name, nodeId, message, sources }: Rejection): Diagnostic[] {
  const kind = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  const what = `Envoy ${JSON.stringify(nodeId)} refused ${kind} ${JSON.stringify(name)}, and keeps what it had: ${message}`;
  return rejectedByEnvoy(what, sources);
}
