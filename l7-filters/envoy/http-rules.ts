import type { Any } from '@bufbuild/protobuf/wkt';
import { ActionSchema, RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { Direction, FieldRef, HttpRule, RequestRefusal } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { formatDecision } from '../http/index.ts';
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

export interface HttpRulesOptions {
  /** What is decided of. */
  readonly direction: Direction;
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

/** What allows a request, and by whose rules. */
interface Alternative {
  readonly conditions: Conditions;
  readonly by: FieldRef[];
}

/** Alternatives, by what they are made of, so that equal ones are there once. */
type Alternatives = Map<string, Alternative>;

/**
 * The filter that lets a request pass if any of the rules allows it. Paths that are texts are looked up, and regular expressions with
 * equal conditions become few, so what a request costs does not grow with the number of rules as long as most are of these kinds.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter
 */
export function translateHttpRules(rules: readonly HttpRule[], options: HttpRulesOptions): Any {
  const { readsPathsAlike, audits } = options;
  const nothing = { action: RBAC_Action.ALLOW };
  if (rules.length === 0) return anyOf(RBACSchema, audits ? { shadowRules: nothing } : { rules: nothing });
  const refusals = [
    refuse('several-hosts', contains(AUTHORITY, BETWEEN_HOSTS)),
    ...(readsPathsAlike ? [refuse('dots-with-parameters', matchesFully(PATH, DOTS_WITH_PARAMETERS))] : []),
  ];
  const matcher: Matcher = {
    matcherType: { case: 'matcherList', value: { matchers: refusals } },
    onNoMatch: { onMatch: { case: 'matcher', value: new RuleMatcher(options).of(rules) } },
  };
  return anyOf(RBACSchema, audits ? { shadowMatcher: matcher } : { matcher });
}

/** Of all requests. @param by what allows everything */
export function translateAllowAll(direction: Direction, by: readonly FieldRef[]): Any {
  return anyOf(RBACSchema, { matcher: { onNoMatch: allow(direction, by) } });
}

/** Each action has the name of whose rules it is for, by which the log of requests tells of it. */
class RuleMatcher {
  readonly #options: HttpRulesOptions;
  readonly #exact = new Map<string, Alternatives>();
  readonly #prefixes = new Map<string, Alternatives>();
  readonly #others: Alternatives = new Map();
  readonly #regexes = new Map<string, RegexGroup>();

  constructor(options: HttpRulesOptions) {
    this.#options = options;
  }

  of(rules: readonly HttpRule[]): Matcher {
    for (const rule of rules) this.#sort(rule);
    for (const [key, { regexes, conditions, by }] of this.#regexes) {
      for (const regex of joinRegexes([...regexes], this.#options.maxProgramSize)) {
        note(this.#others, `${key} ${regex}`, [matchesFully(PATH, regex), ...conditions], by);
      }
    }
    const last = this.#others.size > 0 ? this.#anyAlternative(this.#others) : undefined;
    return this.#lookUp('exactMatchMap', this.#exact, this.#lookUp('prefixMatchMap', this.#prefixes, last)) ?? {};
  }

  #sort(rule: HttpRule): void {
    const conditions = predicatesBesidePath(rule, this.#options.secrets);
    const by = [rule.source];
    const key = keyOf(rule);
    const path = patternOf(rule.path?.regex);
    if (path.kind === 'any') note(this.#others, key, conditions, by);
    else if (path.kind === 'exact') for (const text of path.texts) note(tableOf(this.#exact, text), key, conditions, by);
    else if (path.kind === 'prefix') note(tableOf(this.#prefixes, path.text), key, conditions, by);
    else {
      const group = groupOf(this.#regexes, key, conditions);
      group.regexes.add(path.regex);
      group.by.push(rule.source);
    }
  }

  /** What is not found there, or of which no alternative holds, is asked of what follows. */
  #lookUp(
    kind: 'exactMatchMap' | 'prefixMatchMap',
    table: ReadonlyMap<string, Alternatives>,
    next: Matcher | undefined,
  ): Matcher | undefined {
    if (table.size === 0) return next;
    const entries = [...table].sort(byName).map(([text, alternatives]) => [text, this.#onMatchOf(alternatives)] as const);
    return {
      matcherType: {
        case: 'matcherTree',
        value: { input: headerInput(PATH), treeType: { case: kind, value: { map: Object.fromEntries(entries) } } },
      },
      ...(next && { onNoMatch: { onMatch: { case: 'matcher', value: next } } }),
    };
  }

  #onMatchOf(alternatives: Alternatives): OnMatch {
    const always = alwaysTrue(alternatives);
    if (always) return this.#allow(always);
    return { onMatch: { case: 'matcher', value: this.#anyAlternative(alternatives) } };
  }

  #anyAlternative(alternatives: Alternatives): Matcher {
    const always = alwaysTrue(alternatives);
    if (always) return { onNoMatch: this.#allow(always) };
    const matchers = [...alternatives].sort(byName).map(([, { conditions, by }]) => ({
      predicate: allOf(conditions),
      onMatch: this.#allow(by),
    }));
    return { matcherType: { case: 'matcherList', value: { matchers } } };
  }

  #allow(by: readonly FieldRef[]): OnMatch {
    return allow(this.#options.direction, by);
  }
}

function alwaysTrue(alternatives: Alternatives): readonly FieldRef[] | undefined {
  return [...alternatives.values()].find(({ conditions }) => conditions.length === 0)?.by;
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

function allow(direction: Direction, by: readonly FieldRef[]): OnMatch {
  return action(formatDecision(direction, by), RBAC_Action.ALLOW);
}

function action(name: string, value: RBAC_Action): OnMatch {
  return { onMatch: { case: 'action', value: { name, typedConfig: anyOf(ActionSchema, { name, action: value }) } } };
}

function tableOf(tables: Map<string, Alternatives>, text: string): Alternatives {
  const table: Alternatives = tables.get(text) ?? new Map();
  tables.set(text, table);
  return table;
}

function note(alternatives: Alternatives, key: string, conditions: Conditions, by: readonly FieldRef[]): void {
  const known = alternatives.get(key);
  if (known) known.by.push(...by);
  else alternatives.set(key, { conditions, by: [...by] });
}

interface RegexGroup extends Alternative {
  readonly regexes: Set<string>;
}

function groupOf(groups: Map<string, RegexGroup>, key: string, conditions: Conditions): RegexGroup {
  const group = groups.get(key) ?? { conditions, by: [], regexes: new Set<string>() };
  groups.set(key, group);
  return group;
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}
