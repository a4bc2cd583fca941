import type { Outcome } from './action-request.ts';

type Failure = Exclude<Outcome, { kind: 'written' }>;

/** First and longest pause, in milliseconds. */
const PAUSES: Readonly<Record<Failure['kind'], readonly [first: number, longest: number]>> = {
  unavailable: [500, 30_000],
  // Whoever may mend it does not mend it in a second.
  refused: [2_000, 120_000],
  superseded: [5_000, 60_000],
};

/**
 * How long to leave an action alone that failed so many times: twice as long each time, and somewhere between the half and the whole
 * of that, so that many do not come back together.
 * @param random from 0 to less than 1
 */
export function failureDelay(failure: Failure, attempts: number, random: number): number {
  const [first, longest] = PAUSES[failure.kind];
  const pause = Math.min(longest, first * 2 ** (attempts - 1)) * (0.5 + random / 2);
  const asked = failure.kind === 'unavailable' ? (failure.retryAfterMs ?? 0) : 0;
  return asked + pause;
}

/** From when on a failure is told to users: what passes by itself, and mostly soon, only once it lasts. */
export function isWorthTelling(failure: Failure, attempts: number): boolean {
  return failure.kind === 'refused' || attempts >= 4;
}

const UNCONTESTED_TIMES = 3;

/** How long after the last of so many equal writes the next may follow: somebody undoes them, and must not set the pace. */
export function contestedDelay(times: number): number {
  return times < UNCONTESTED_TIMES ? 0 : Math.min(10_000, 250 * 2 ** (times - UNCONTESTED_TIMES));
}
