import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;
const WITHIN_MS = 30_000;

/**
 * Tries until `attempt` does not throw, ten times a second, and returns what it returned.
 * @throws the error of the last try, after `withinMs` (30 s)
 */
export async function patiently<T>(attempt: () => Promise<T>, withinMs = WITHIN_MS): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(POLL_MS);
    }
  }
}
