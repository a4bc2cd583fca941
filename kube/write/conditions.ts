import type { Condition } from '../views/sluice-settings.ts';

/** A condition before it is known since when it holds. */
export type WantedCondition = Omit<Condition, 'lastTransitionTime'>;

/**
 * Conditions as they are to be written: one whose status is what it was keeps the time of its last transition.
 * @param present what the object has
 * @param now for those whose status changes, and for new ones
 * @see https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
 */
export function mergeConditions(present: readonly Condition[], wanted: readonly WantedCondition[], now: Date): readonly Condition[] {
  return wanted.map((condition) => {
    const before = present.find(({ type }) => type === condition.type);
    const lastTransitionTime =
      before?.status === condition.status ? before.lastTransitionTime : `${now.toISOString().slice(0, -'.000Z'.length)}Z`;
    return { ...condition, lastTransitionTime };
  });
}
