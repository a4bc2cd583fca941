import { setImmediate } from 'node:timers/promises';

export interface Pauses {
  /** The longest that the event loop did not turn, in milliseconds. */
  readonly ofTime: number;
  /** The most processor time that this thread used between two turns, in milliseconds: what of that is not somebody else's. */
  readonly ofProcessor: number;
}

/** The longest turns of the event loop while something was done. */
export async function longestPausesDuring(work: () => Promise<void>): Promise<Pauses> {
  let isDone = false;
  const done = work().finally(() => {
    isDone = true;
  });
  let [ofTime, ofProcessor] = [0, 0];
  let [time, processor] = [performance.now(), threadMs()];
  while (!isDone) {
    await setImmediate();
    const [now, used] = [performance.now(), threadMs()];
    ofTime = Math.max(ofTime, now - time);
    ofProcessor = Math.max(ofProcessor, used - processor);
    [time, processor] = [now, used];
  }
  await done;
  return { ofTime, ofProcessor };
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}
