/** Time in milliseconds that only ever goes forward, so that tests need not wait for it to pass. */
export interface Clock {
  now(): number;
  /** Calls back once, not before the delay has passed. Returns how to prevent it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const MONOTONIC_CLOCK: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
