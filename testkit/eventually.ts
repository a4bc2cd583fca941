import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** Long enough for a machine that has other things to do; a test that passes does not wait for it. */
const WITHIN_MS = 20_000;

/**
 * Tries until `attempt` does not throw, and returns what it returned.
 * @throws the error of the last try, after `withinMs` (20 s)
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { withinMs = WITHIN_MS }: { readonly withinMs?: number } = {},
): Promise<T> {
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
