import type { Diagnostic, FieldRef } from '../model/index.ts';
import type { Outcome } from '../xds-server/serve/outcome.ts';
import type { ResourceName } from '../xds-server/serve/resource.ts';
import type { Pipeline } from './pipeline/pipeline.ts';

interface Rejection extends ResourceName {
  readonly nodeId: string;
  readonly message: string;
  readonly sources: readonly FieldRef[];
}

/** What clients refuse at present, brought back to the objects that it was made of. */
export class Rejections {
  readonly #pipeline: Pipeline;
  readonly #refused = new Map<string, Rejection>();

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** Returns whether this changed what is refused. */
  note(outcome: Outcome): boolean {
    const { nodeId, typeUrl, name, message } = outcome;
    const key = `${nodeId} ${typeUrl} ${name}`;
    if (outcome.outcome === 'ack') return this.#refused.delete(key);
    this.#refused.set(key, { nodeId, typeUrl, name, message, sources: this.#pipeline.sourcesOf({ typeUrl, name }) });
    return true;
  }

  diagnostics(): Diagnostic[] {
    return [...this.#refused.values()].flatMap(diagnose);
  }
}

function diagnose({ typeUrl, name, nodeId, message, sources }: Rejection): Diagnostic[] {
  const kind = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  const found = {
    severity: 'error',
    code: 'RejectedByEnvoy',
    message: `Envoy ${JSON.stringify(nodeId)} refused ${kind} ${JSON.stringify(name)}, and keeps what it had: ${message}`,
  } as const;
  if (sources.length === 0) return [{ ...found, path: [] }];
  return sources.map(({ object, path }) => ({ ...found, object, path }));
}
