import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;

/** The longest that the event loop did not turn while something was done, in milliseconds. */
export async function longestPauseDuring(work: () => Promise<void>): Promise<number> {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  await work();
  delays.disable();
  return Math.max(0, delays.max / 1e6 - RESOLUTION_MS);
}
