import { type Authority, DEFAULT_LIFETIME_MS, readCertificate } from '../../pki/index.ts';
import type { AuthorityState } from './authority-state.ts';

/** How fast an authority follows another. In milliseconds. */
export interface AuthorityTimes {
  /** Of an authority. Default 10 years. */
  readonly lifetimeMs: number;
  /** How long everybody gets to come to know an authority before it signs. Default 24 h. */
  readonly announceMs: number;
  /** How long an authority that does not sign any more is trusted: longer than anything it signed lives. Default 25 h. */
  readonly retireMs: number;
}

const HOUR_MS = 3_600_000;

export const DEFAULT_AUTHORITY_TIMES: AuthorityTimes = {
  lifetimeMs: 3653 * 24 * HOUR_MS,
  announceMs: 24 * HOUR_MS,
  retireMs: DEFAULT_LIFETIME_MS + HOUR_MS,
};

/** Of an authority's life; what is left is more than the change to the next one takes. */
const ROTATE_AFTER = 2 / 3;

export type AuthorityStep =
  /** Make the next authority and publish it. */
  | 'announce'
  /** Let the next authority sign. */
  | 'switch'
  /** Trust the previous authority no more. */
  | 'retire';

export interface AuthorityPlan {
  /** To be taken now; undefined for none. */
  readonly step: AuthorityStep | undefined;
  /** When there is something to do. */
  readonly at: Date;
}

/**
 * What is to be done next so that the authorities follow one another without a certificate ever meeting somebody who
 * does not trust it: the next one is published, then signs, and the previous one goes when nothing of it is left.
 */
export function planAuthority(state: AuthorityState, now: Date, times: AuthorityTimes): AuthorityPlan {
  const plan = (step: AuthorityStep, at: number): AuthorityPlan => ({ step: at <= now.getTime() ? step : undefined, at: new Date(at) });
  const since = state.since.getTime();
  const { notBefore, notAfter } = readCertificate(state.current.certificate);
  if (state.previous !== undefined) return plan('retire', since + times.retireMs);
  // What an authority that is over signs is worth nothing, so there is nothing to wait for.
  if (state.next) return plan('switch', Math.min(since + times.announceMs, notAfter.getTime()));
  return plan('announce', notBefore.getTime() + (notAfter.getTime() - notBefore.getTime()) * ROTATE_AFTER);
}

/** The state after a step. @param fresh the next authority, for `announce` */
export function takeStep(state: AuthorityState, step: AuthorityStep, now: Date, fresh: Authority): AuthorityState {
  const { current, next } = state;
  switch (step) {
    case 'announce':
      return { current, next: fresh, since: now };
    case 'switch':
      return { current: next ?? fresh, previous: current.certificate, since: now };
    case 'retire':
      return { current, since: now };
  }
}
