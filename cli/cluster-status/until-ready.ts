import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 1_000;

/**
 * Asks until the answer is that all is ready, or until the time has come, and gives the last answer.
 * @param untilMs milliseconds since 1970; asked once where that is over
 * @param onWait told each answer that was not good enough
 * @throws what asking throws, once the time has come
 */
export async function untilReady<A extends { readonly ready: boolean }>(
  ask: () => Promise<A>,
  untilMs: number,
  onWait: (answer: A | undefined, error: unknown) => void,
): Promise<A> {
  for (;;) {
    const isLast = Date.now() + PAUSE_MS > untilMs;
    try {
      const answer = await ask();
      if (answer.ready || isLast) return answer;
      onWait(answer, undefined);
    } catch (error) {
      if (isLast) throw error;
      onWait(undefined, error);
    }
    await sleep(PAUSE_MS);
  }
}
