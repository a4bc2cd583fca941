import { HttpRequestHeaderMatchInputSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/http_inputs_pb.js';
import type { TypedExtensionConfigSchema } from '@sluice/envoy-protos/xds/core/v3/extension_pb.js';
import type {
  Matcher_MatcherList_PredicateSchema,
  Matcher_OnMatchSchema,
  MatcherSchema,
} from '@sluice/envoy-protos/xds/type/matcher/v3/matcher_pb.js';
import type { StringMatcherSchema } from '@sluice/envoy-protos/xds/type/matcher/v3/string_pb.js';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';

export type Matcher = Init<typeof MatcherSchema>;
export type OnMatch = Init<typeof Matcher_OnMatchSchema>;
export type Predicate = Init<typeof Matcher_MatcherList_PredicateSchema>;
export type Extension = Init<typeof TypedExtensionConfigSchema>;
type StringMatcher = Init<typeof StringMatcherSchema>;

/** Of all bytes, where `.` takes no more than whole characters of UTF-8. */
const ANYTHING = '\\C*';

/** Where a header's value is looked up. One that stands there several times has its values joined by commas. */
export function headerInput(name: string): Extension {
  return { name, typedConfig: anyOf(HttpRequestHeaderMatchInputSchema, { headerName: name }) };
}

export function equals(header: string, value: string): Predicate {
  return headerMatches(header, { matchPattern: { case: 'exact', value } });
}

/** @param text not empty */
export function contains(header: string, text: string): Predicate {
  return headerMatches(header, { matchPattern: { case: 'contains', value: text } });
}

/** @param text not empty */
export function startsWith(header: string, text: string): Predicate {
  return headerMatches(header, { matchPattern: { case: 'prefix', value: text } });
}

/** @param regex of RE2, for the whole value */
export function matchesFully(header: string, regex: string): Predicate {
  return headerMatches(header, { matchPattern: { case: 'safeRegex', value: { engineType: { case: 'googleRe2', value: {} }, regex } } });
}

export function isPresent(header: string): Predicate {
  return matchesFully(header, ANYTHING);
}

/** @param predicates one or more */
export function allOf(predicates: readonly Predicate[]): Predicate {
  const [only] = predicates;
  if (predicates.length === 1 && only) return only;
  return { matchType: { case: 'andMatcher', value: { predicate: [...predicates] } } };
}

/** @param predicates one or more */
export function anyOfThem(predicates: readonly Predicate[]): Predicate {
  const [only] = predicates;
  if (predicates.length === 1 && only) return only;
  return { matchType: { case: 'orMatcher', value: { predicate: [...predicates] } } };
}

export function not(predicate: Predicate): Predicate {
  return { matchType: { case: 'notMatcher', value: predicate } };
}

function headerMatches(header: string, value: StringMatcher): Predicate {
  return { matchType: { case: 'singlePredicate', value: { input: headerInput(header), matcher: { case: 'valueMatch', value } } } };
}
