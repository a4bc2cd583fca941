import type { FieldPath } from '../../model/index.ts';

/** What is wrong with a field of a policy, so that none of the policy can be taken for what was meant. */
export interface Problem {
  readonly path: FieldPath;
  readonly message: string;
}
