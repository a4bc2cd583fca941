import { RE2JS } from 're2js';
import type { FullMatch, HeaderRule, HttpOptions, HttpRule, RequestRefusal } from '../../model/index.ts';
import { arrive } from './arrive.ts';
import { findRefusal } from './refuse.ts';
import { type HttpRequest, headerValue } from './request.ts';

export type Secret = Extract<HeaderRule['value'], { kind: 'secret' }>;

/** Whether a header has the value of a Secret; undefined where that is not known. */
export type EqualsSecret = (secret: Secret, value: string) => boolean | undefined;

/** What a rule asks of a request that has it not. */
export interface Miss {
  readonly kind: 'method' | 'path' | 'host' | 'header';
  readonly rule: FullMatch | HeaderRule;
  /** Of the request; undefined for a header that it has not. */
  readonly actual: string | undefined;
  /** Whether it is known: the values of Secrets may not be. */
  readonly isCertain: boolean;
}

/** What comes of comparing a request with one rule. */
export interface RuleMatch {
  readonly rule: HttpRule;
  /** In the order in which fields are compared; none where the rule allows the request. */
  readonly misses: readonly Miss[];
  /** Headers that are not as the rule has them and do not keep it from allowing: they are logged, added, removed or replaced. */
  readonly adjusted: readonly HeaderRule[];
}

/** What becomes of a request. */
export type RequestJudgement =
  | { readonly decision: 'allow'; readonly by: RuleMatch }
  /** Rules are not asked. */
  | { readonly decision: 'refuse'; readonly refusal: RequestRefusal }
  /** Whether it passes depends on a Secret. */
  | { readonly decision: 'unknown'; readonly nearest: RuleMatch }
  /** `nearest` is the rule that misses least, the first of several; undefined where there are no rules. */
  | { readonly decision: 'deny'; readonly nearest: RuleMatch | undefined };

const UNKNOWN: EqualsSecret = () => undefined;

/** As of who serves the request. */
export interface JudgeOptions extends Pick<HttpOptions, 'pathNormalization' | 'headersWithUnderscores'> {
  /** By default, no value of a Secret is known. */
  readonly equalsSecret?: EqualsSecret;
}

/**
 * Judges a request by rules of which any allows. Patterns are RE2 and match the whole of a field.
 * @param sent as {@link normalizeRequest} leaves it
 */
export function judgeRequest(rules: readonly HttpRule[], sent: HttpRequest, options: JudgeOptions): RequestJudgement {
  const { equalsSecret = UNKNOWN } = options;
  const refusal = rules.length > 0 ? findRefusal(sent, options) : undefined;
  if (refusal) return { decision: 'refuse', refusal };
  const request = arrive(rules, sent, options);
  const matches = rules.map((rule) => matchRule(rule, request, equalsSecret));
  const by = matches.find(({ misses }) => misses.length === 0);
  if (by) return { decision: 'allow', by };
  const possible = matches.find(({ misses }) => misses.every(({ isCertain }) => !isCertain));
  if (possible) return { decision: 'unknown', nearest: possible };
  return { decision: 'deny', nearest: matches.toSorted(byNearness)[0] };
}

/** Compares a request with one rule. */
export function matchRule(rule: HttpRule, request: HttpRequest, equalsSecret = UNKNOWN): RuleMatch {
  const misses: Miss[] = [];
  const adjusted: HeaderRule[] = [];
  for (const kind of ['host', 'path', 'method'] as const) {
    const match = rule[kind];
    if (match && !isFullMatch(match, request[kind])) misses.push({ kind, rule: match, actual: request[kind], isCertain: true });
  }
  for (const header of rule.headers) {
    const actual = headerValue(request, header.name);
    const isEqual = compareHeader(header, actual, equalsSecret);
    if (isEqual === true) continue;
    if (header.mismatch !== 'deny') adjusted.push(header);
    else misses.push({ kind: 'header', rule: header, actual, isCertain: isEqual === false });
  }
  return { rule, misses, adjusted };
}

/** By how much a rule misses; of equally much, that is nearer of which less is missed first. */
function byNearness(a: RuleMatch, b: RuleMatch): number {
  return a.misses.length - b.misses.length || rank(b) - rank(a);
}

const RANKS = { host: 0, path: 1, method: 2, header: 3 } as const;

function rank({ misses: [first] }: RuleMatch): number {
  return first ? RANKS[first.kind] : 4;
}

function compareHeader({ value }: HeaderRule, actual: string | undefined, equalsSecret: EqualsSecret): boolean | undefined {
  if (actual === undefined) return false;
  if (value === undefined) return true;
  return value.kind === 'literal' ? actual === value.text : equalsSecret(value, actual);
}

const COMPILED = new WeakMap<FullMatch, RE2JS>();

/** As patterns are checked: each byte stands for a character. Envoy answers requests with other characters than those of ASCII itself. */
function isFullMatch(match: FullMatch, text: string): boolean {
  const known = COMPILED.get(match);
  const compiled = known ?? RE2JS.compile(bytes(match.regex));
  if (!known) COMPILED.set(match, compiled);
  return compiled.matches(bytes(text));
}

function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
