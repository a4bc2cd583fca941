const SHORTEST_MS = 250;
const LONGEST_MS = 10_000;
const HEALTHY_MS = 10_000;

/** How long to wait before Envoy is started again: not at all, then 250 ms, then twice as long up to 10 s; anew after 10 s of health. */
export class RestartDelay {
  #nextMs = 0;

  next(): number {
    const delay = this.#nextMs;
    this.#nextMs = Math.min(Math.max(delay * 2, SHORTEST_MS), LONGEST_MS);
    return delay;
  }

  afterHealth(ms: number): void {
    if (ms >= HEALTHY_MS) this.#nextMs = 0;
  }
}
