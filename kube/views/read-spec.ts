import type { z } from 'zod';
import type { FieldPath } from '../../model/index.ts';
import { describeIssues } from '../issues.ts';

/** One thing that is wrong in a part of an object, with its path inside that part. */
export interface SpecProblem {
  readonly path: FieldPath;
  readonly message: string;
}

export type SpecReading<T> =
  | { readonly result: 'valid'; readonly spec: T }
  | { readonly result: 'invalid'; readonly problems: readonly SpecProblem[] };

/** Reads a part of an object that its view lets stand as it is. Never throws for bad input. */
export function readSpec<T>(schema: z.ZodType<T>, raw: unknown): SpecReading<T> {
  const seen = schema.safeParse(raw);
  if (seen.success) return { result: 'valid', spec: seen.data };
  return { result: 'invalid', problems: describeIssues(seen.error.issues, raw, false).map(({ path, message }) => ({ path, message })) };
}
