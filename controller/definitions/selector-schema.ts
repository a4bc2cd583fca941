import { listOf, mapping, type Structural } from './structural-schema.ts';

const TEXT: Structural = { type: 'string' };
const MAX_LABEL = 63;

const LABEL_VALUE: Structural = { type: 'string', maxLength: MAX_LABEL, pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$' };

/** What an API server cannot check without an expression that costs it too much, such as values beside an operator, is told in the status. */
export const SELECTOR = mapping(
  {
    matchLabels: { type: 'object', additionalProperties: LABEL_VALUE },
    matchExpressions: listOf(
      mapping(
        { key: TEXT, operator: { type: 'string', enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'] }, values: listOf(TEXT) },
        { required: ['key', 'operator'] },
      ),
    ),
  },
  { 'x-kubernetes-map-type': 'atomic' },
);
