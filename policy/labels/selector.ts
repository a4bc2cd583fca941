import type { LabelKey } from './label.ts';
import type { LabelSet } from './label-set.ts';

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

/** One thing that is asked of labels. `NotIn` and `DoesNotExist` hold where there is no such label. */
export interface Requirement extends LabelKey {
  readonly operator: Operator;
  /** Sorted, without repetitions; empty for `Exists` and `DoesNotExist`. */
  readonly values: readonly string[];
}

/** All of these must hold; without any, all labels match. */
export interface LabelSelector {
  readonly requirements: readonly Requirement[];
}

export function requireLabel({ source, key }: LabelKey, operator: Operator, values: readonly string[] = []): Requirement {
  return { source, key, operator, values: [...new Set(values)].sort() };
}

/** @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors */
export function matches({ requirements }: LabelSelector, labels: LabelSet): boolean {
  return requirements.every((requirement) => holds(requirement, labels.get(requirement)));
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** The same text for selectors that ask for the same. */
export function selectorKey({ requirements }: LabelSelector): string {
  const texts = requirements.map(({ source, key, operator, values }) => JSON.stringify([source, key, operator, ...values]));
  return [...new Set(texts)].sort().join(';');
}
