/**
 * Where flows are lost: the kernel had no room for them (`kernel`) or they were more drops than it tells of in a second (`limit`), the enforcer had no room
 * while the agent was slow or away, Envoy had none for what it logs, the agent could not read what it was told (of Envoy, a message counts as one) or failed
 * over it, whoever reads them was slower than they came, so that they were forgotten before they were told, or so was a collector, or it refused them.
 */
export const LOSS_PLACES = ['kernel', 'limit', 'enforcer', 'envoy', 'agent', 'reader', 'export'] as const;

export type LossPlace = (typeof LOSS_PLACES)[number];

/** Counts the flows of a node that somebody was not told of, since the agent started. Those of an export it counts by itself. */
export class FlowLosses {
  readonly #counts = new Map<LossPlace, bigint>(LOSS_PLACES.map((place) => [place, 0n]));

  add(place: LossPlace, count: bigint): void {
    this.#counts.set(place, this.of(place) + count);
  }

  of(place: LossPlace): bigint {
    return this.#counts.get(place) ?? 0n;
  }

  /** In the order of {@link LOSS_PLACES}. */
  counts(): Record<LossPlace, number> {
    const countOf = (place: LossPlace) => Number(this.of(place));
    return {
      kernel: countOf('kernel'),
      limit: countOf('limit'),
      enforcer: countOf('enforcer'),
      envoy: countOf('envoy'),
      agent: countOf('agent'),
      reader: countOf('reader'),
      export: countOf('export'),
    };
  }
}
