import { z } from 'zod';

const requirement = z.strictObject({
  key: z.string().min(1),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()).optional(),
});

/** @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/ */
export const labelSelector = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z.array(requirement).optional(),
});

const KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const key = z.string().regex(KEY, 'must be the key of a label');
const value = z.string().regex(VALUE, 'must be the value of a label');

/** One as the API server itself would refuse it where it is wrong: one that nobody can meet, or all do, is hardly meant. */
export const checkedLabelSelector = z.strictObject({
  matchLabels: z.record(key, value).optional(),
  matchExpressions: z
    .array(
      requirement
        .extend({ key, values: z.array(value).optional() })
        .refine(({ operator, values = [] }) => /In$/.test(operator) === values.length > 0, {
          path: ['values'],
          error: 'must stand there for In and NotIn, and for no other operator',
        }),
    )
    .optional(),
});

export type LabelSelectorSpec = z.output<typeof labelSelector>;
