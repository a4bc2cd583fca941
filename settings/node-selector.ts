import { z } from 'zod';

/** `name` or `prefix/name`. @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const KEY = /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const key = z.string().regex(KEY, 'must be the key of a label');
const value = z.string().regex(VALUE, 'must be the value of a label');

const requirement = z.strictObject({
  key: key.describe('The key of a label.'),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('A node without the label matches NotIn and DoesNotExist.'),
  values: z.array(value).optional().describe('Of In and NotIn.'),
});

/** A label selector of Kubernetes. @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors */
export const nodeSelector = z.strictObject({
  matchLabels: z.record(key, value).optional().describe('Labels that a node must have.'),
  matchExpressions: z.array(requirement).optional().describe('What else must be so of its labels.'),
});

export type NodeSelector = z.output<typeof nodeSelector>;
type Requirement = z.output<typeof requirement>;

/** Whether labels are what a selector asks for. */
export function matchesLabels(
  { matchLabels = {}, matchExpressions = [] }: NodeSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  const own = new Map(Object.entries(labels));
  const hasAll = Object.entries(matchLabels).every(([name, wanted]) => own.get(name) === wanted);
  return hasAll && matchExpressions.every((each) => isMet(each, own.get(each.key)));
}

function isMet({ operator, values = [] }: Requirement, label: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label);
    case 'NotIn':
      return label === undefined || !values.includes(label);
    case 'Exists':
      return label !== undefined;
    case 'DoesNotExist':
      return label === undefined;
  }
}

/** Whether something is asked for at all: of a misspelt selector nothing is left in an API server, and that must not mean every node. */
export function asksForSomething({ matchLabels = {}, matchExpressions = [] }: NodeSelector): boolean {
  return Object.keys(matchLabels).length + matchExpressions.length > 0;
}

export function hasValuesWhereNeeded({ matchExpressions = [] }: NodeSelector): boolean {
  return matchExpressions.every(({ operator, values = [] }) => /In$/.test(operator) === values.length > 0);
}
