import { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import type { HttpRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Filter } from './filter.ts';

const SEPARATORS = /[-_]/g;
const METACHARACTERS = /[.*+^$|]/g;

/**
 * Takes away headers that some servers take for one that a rule names, since they read `_` as `-`. Others with underscores go on.
 * @returns nothing where no rule names a header that could be written in another way
 */
export function withoutLookalikes(rules: readonly HttpRule[]): readonly Filter[] {
  const names = new Set(rules.flatMap(({ headers }) => headers.map(({ name }) => name)));
  const regexes = [...names].flatMap(lookalikesOf).sort();
  if (regexes.length === 0) return [];
  const keyMatcher = { matchPattern: { case: 'safeRegex', value: { regex: regexes.join('|') } } } as const;
  const requestMutations = [{ action: { case: 'removeOnMatch', value: { keyMatcher } } } as const];
  return [{ name: 'sluice.lookalikes', typedConfig: anyOf(HeaderMutationSchema, { mutations: { requestMutations } }) }];
}

/** By the first separator that differs: what comes before is as it is, after it either may stand. */
function lookalikesOf(name: string): readonly string[] {
  return [...name.matchAll(SEPARATORS)].map(({ index, 0: separator }) => {
    const rest = literal(name.slice(index + 1)).replaceAll(SEPARATORS, '[-_]');
    return `${literal(name.slice(0, index))}${separator === '-' ? '_' : '-'}${rest}`;
  });
}

function literal(text: string): string {
  return text.replaceAll(METACHARACTERS, '\\$&');
}
