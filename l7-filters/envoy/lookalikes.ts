import { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import type { HttpRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { lookalikesOf } from '../http/index.ts';
import type { Filter } from './filter.ts';
import { joinRegexes } from './joined-regexes.ts';

/**
 * Takes away headers that some servers take for one that a rule names, since they read `_` as `-`. Others with underscores go on.
 * @param maxProgramSize of a regular expression, in instructions of RE2; for names whose lookalikes are within it
 * @returns nothing where no rule names a header that could be written in another way
 */
export function withoutLookalikes(rules: readonly HttpRule[], maxProgramSize: number): readonly Filter[] {
  const names = new Set(rules.flatMap(({ headers }) => headers.map(({ name }) => name)));
  const regexes = joinRegexes([...names].flatMap(lookalikesOf), maxProgramSize);
  if (regexes.length === 0) return [];
  const requestMutations = regexes.map((regex) => {
    const keyMatcher = { matchPattern: { case: 'safeRegex', value: { regex } } } as const;
    return { action: { case: 'removeOnMatch', value: { keyMatcher } } } as const;
  });
  return [{ name: 'sluice.lookalikes', typedConfig: anyOf(HeaderMutationSchema, { mutations: { requestMutations } }) }];
}
