import type { Any } from '@bufbuild/protobuf/wkt';
import { ActionSchema, RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { HttpRule, RequestRefusal } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { joinRegexes } from './joined-regexes.ts';
import { allOf, contains, headerInput, type Matcher, matchesFully, type OnMatch, type Predicate } from './matching.ts';
import { AUTHORITY, PATH } from './names.ts';
import { patternOf } from './pattern.ts';
import { predicatesBesidePath } from './rule-predicates.ts';
import type { SlotSecrets } from './secrets.ts';

/** Between hosts of a header that came twice; each server takes another of them. */
const BETWEEN_HOSTS = ',';
/** Some servers leave out what follows `;` first, and resolve dot segments then. */
const DOTS_WITH_PARAMETERS = '[^?]*/\\.\\.?(?:;|%3[Bb]).*';

const ALLOW = action('allow', RBAC_Action.ALLOW);

export interface HttpRulesOptions {
  readonly secrets: SlotSecrets;
  /** Of a regular expression, in instructions of RE2. */
  readonly maxProgramSize: number;
  /** Whether paths that servers read in different ways are nobody's, whatever rules say. */
  readonly readsPathsAlike: boolean;
  /** Whether what is not allowed is only marked as such. */
  readonly audits: boolean;
}

/** What must hold besides the path, all of it; none: anything goes. */
type Conditions = readonly Predicate[];

/** Alternatives, by what they are made of, so that equal ones are there once. */
type Alternatives = Map<string, Conditions>;

/**
 * The filter that lets a request pass if any of the rules allows it. Paths that are texts are looked up, and regular expressions with
 * equal conditions become few, so what a request costs does not grow with the number of rules as long as most are of these kinds.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter
 */
export function translateHttpRules(rules: readonly HttpRule[], options: HttpRulesOptions): Any {
  const { secrets, maxProgramSize, readsPathsAlike, audits } = options;
  const nothing = { action: RBAC_Action.ALLOW };
  if (rules.length === 0) return anyOf(RBACSchema, audits ? { shadowRules: nothing } : { rules: nothing });
  const refusals = [
    refuse('several-hosts', contains(AUTHORITY, BETWEEN_HOSTS)),
    ...(readsPathsAlike ? [refuse('dots-with-parameters', matchesFully(PATH, DOTS_WITH_PARAMETERS))] : []),
  ];
  const matcher: Matcher = {
    matcherType: { case: 'matcherList', value: { matchers: refusals } },
    onNoMatch: { onMatch: { case: 'matcher', value: translateMatcher(rules, secrets, maxProgramSize) } },
  };
  return anyOf(RBACSchema, audits ? { shadowMatcher: matcher } : { matcher });
}

/** Of all requests. */
export function translateAllowAll(): Any {
  return anyOf(RBACSchema, { matcher: { onNoMatch: ALLOW } });
}

function translateMatcher(rules: readonly HttpRule[], secrets: SlotSecrets, maxProgramSize: number): Matcher {
  const exact = new Map<string, Alternatives>();
  const prefixes = new Map<string, Alternatives>();
  const others: Alternatives = new Map();
  const regexes = new Map<string, RegexGroup>();
  for (const rule of rules) {
    const conditions = predicatesBesidePath(rule, secrets);
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

/** Of what does not have to do with the path. */
function keyOf({ method, host, headers }: HttpRule): string {
  const required = headers.filter(({ mismatch }) => mismatch === 'deny').map(({ name, value }) => [name, value]);
  return JSON.stringify([method?.regex ?? null, host?.regex ?? null, required]);
}

/** Whose name stands in what Envoy says of the denial. */
function refuse(refusal: RequestRefusal, predicate: Predicate) {
  return { predicate, onMatch: action(refusal, RBAC_Action.DENY) };
}

function action(name: string, value: RBAC_Action): OnMatch {
  return { onMatch: { case: 'action', value: { name, typedConfig: anyOf(ActionSchema, { name, action: value }) } } };
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
