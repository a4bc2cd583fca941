const FIRST_MS = 250;
const LONGEST_MS = 10_000;
const HEALTHY_MS = 30_000;

/** How long to wait before Envoy is started again: 250 ms, then twice as long each time, up to 10 s; anew after 30 s of health. */
export class RestartDelay {
  #nextMs = FIRST_MS;

  next(): number {
    const delay = this.#nextMs;
    this.#nextMs = Math.min(delay * 2, LONGEST_MS);
    return delay;
  }

  afterHealth(ms: number): void {
    if (ms >= HEALTHY_MS) this.#nextMs = FIRST_MS;
  }
}
