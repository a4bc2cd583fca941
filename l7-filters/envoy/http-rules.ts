import type { Any } from '@bufbuild/protobuf/wkt';
import { ActionSchema, RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { HeaderRule, HttpRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { isUsable, joinRegexes } from './joined-regexes.ts';
import {
  allOf,
  anyOfThem,
  equals,
  headerInput,
  isPresent,
  type Matcher,
  matchesFully,
  type OnMatch,
  type Predicate,
  startsWith,
} from './matching.ts';
import { type Pattern, patternOf } from './pattern.ts';

const PATH = ':path';

const ALLOW: OnMatch = {
  onMatch: { case: 'action', value: { name: 'allow', typedConfig: anyOf(ActionSchema, { name: 'allow', action: RBAC_Action.ALLOW }) } },
};

/** What must hold besides the path, all of it; none: anything goes. */
type Conditions = readonly Predicate[];

/** Alternatives, by what they are made of, so that equal ones are there once. */
type Alternatives = Map<string, Conditions>;

/**
 * The filter that lets a request pass if any of the rules allows it. Paths that are texts are looked up, and regular expressions with
 * equal conditions become few, so what a request costs does not grow with the number of rules as long as most are of these kinds.
 * @param maxProgramSize of a regular expression, in instructions of RE2
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter
 */
export function translateHttpRules(rules: readonly HttpRule[], maxProgramSize: number): Any {
  if (rules.length === 0) return anyOf(RBACSchema, { rules: { action: RBAC_Action.ALLOW } });
  return anyOf(RBACSchema, { matcher: translateMatcher(rules, maxProgramSize) });
}

/** Of all requests. */
export function translateAllowAll(): Any {
  return anyOf(RBACSchema, { matcher: { onNoMatch: ALLOW } });
}

function translateMatcher(rules: readonly HttpRule[], maxProgramSize: number): Matcher {
  const exact = new Map<string, Alternatives>();
  const prefixes = new Map<string, Alternatives>();
  const others: Alternatives = new Map();
  const regexes = new Map<string, RegexGroup>();
  for (const rule of rules.filter((each) => isUnderstood(each, maxProgramSize))) {
    const conditions = conditionsOf(rule);
    const key = keyOf(rule);
    const path = patternOf(rule.path?.regex);
    if (path.kind === 'any') others.set(key, conditions);
    else if (path.kind === 'exact') for (const text of path.texts) tableOf(exact, text).set(key, conditions);
    else if (path.kind === 'prefix') tableOf(prefixes, path.text).set(key, conditions);
    else groupOf(regexes, key, conditions).regexes.add(path.regex);
  }
  for (const [key, group] of regexes) {
    for (const regex of joinRegexes([...group.regexes], maxProgramSize)) {
      others.set(`${key} ${regex}`, [matchesFully(PATH, regex), ...group.conditions]);
    }
  }
  return lookUp('exactMatchMap', exact, lookUp('prefixMatchMap', prefixes, others.size > 0 ? anyAlternative(others) : undefined)) ?? {};
}

/** What is not found there, or of which no alternative holds, is asked of what follows. */
function lookUp(
  kind: 'exactMatchMap' | 'prefixMatchMap',
  table: ReadonlyMap<string, Alternatives>,
  next: Matcher | undefined,
): Matcher | undefined {
  if (table.size === 0) return next;
  const entries = [...table].sort(byName).map(([text, alternatives]) => [text, onMatchOf(alternatives)] as const);
  return {
    matcherType: {
      case: 'matcherTree',
      value: { input: headerInput(PATH), treeType: { case: kind, value: { map: Object.fromEntries(entries) } } },
    },
    ...(next && { onNoMatch: { onMatch: { case: 'matcher', value: next } } }),
  };
}

function onMatchOf(alternatives: Alternatives): OnMatch {
  if (isAlwaysTrue(alternatives)) return ALLOW;
  return { onMatch: { case: 'matcher', value: anyAlternative(alternatives) } };
}

function anyAlternative(alternatives: Alternatives): Matcher {
  if (isAlwaysTrue(alternatives)) return { onNoMatch: ALLOW };
  const matchers = [...alternatives].sort(byName).map(([, conditions]) => ({ predicate: allOf(conditions), onMatch: ALLOW }));
  return { matcherType: { case: 'matcherList', value: { matchers } } };
}

function isAlwaysTrue(alternatives: Alternatives): boolean {
  return [...alternatives.values()].some((conditions) => conditions.length === 0);
}

function conditionsOf({ method, host, headers }: HttpRule): Conditions {
  return [
    ...textConditions(':method', patternOf(method?.regex)),
    ...textConditions(':authority', patternOf(host?.regex)),
    ...headers.filter(({ mismatch }) => mismatch === 'deny').map(hasHeader),
  ];
}

function textConditions(header: string, pattern: Pattern): Conditions {
  switch (pattern.kind) {
    case 'any':
      return [];
    case 'exact':
      return [anyOfThem(pattern.texts.map((text) => equals(header, text)))];
    case 'prefix':
      return [startsWith(header, pattern.text)];
    case 'regex':
      return [matchesFully(header, pattern.regex)];
  }
}

function hasHeader({ name, value }: HeaderRule): Predicate {
  return value?.kind === 'literal' ? equals(name, value.text) : isPresent(name);
}

/** Of what does not have to do with the path. */
function keyOf({ method, host, headers }: HttpRule): string {
  const required = headers.filter(({ mismatch }) => mismatch === 'deny').map(({ name, value }) => [name, value]);
  return JSON.stringify([method?.regex ?? null, host?.regex ?? null, required]);
}

/** A rule that Envoy would refuse takes all others with it. */
function isUnderstood({ method, path, host }: HttpRule, maxProgramSize: number): boolean {
  return [method, path, host].every((each) => each === undefined || isUsable(each.regex, maxProgramSize));
}

function tableOf(tables: Map<string, Alternatives>, text: string): Alternatives {
  const table = tables.get(text) ?? new Map<string, Conditions>();
  tables.set(text, table);
  return table;
}

interface RegexGroup {
  readonly conditions: Conditions;
  readonly regexes: Set<string>;
}

function groupOf(groups: Map<string, RegexGroup>, key: string, conditions: Conditions): RegexGroup {
  const group = groups.get(key) ?? { conditions, regexes: new Set<string>() };
  groups.set(key, group);
  return group;
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}
