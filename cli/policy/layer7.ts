import {
  describeHttpRule,
  describeMisses,
  describeRefusal,
  type HttpRequest,
  type JudgeOptions,
  judgeRequest,
  normalizeRequest,
  passOn,
} from '../../l7-filters/http/index.ts';
import { findServerName } from '../../l7-filters/tls/index.ts';
import type { FieldRef, Slot } from '../../model/index.ts';
import { CliError } from '../cli-error.ts';

/** How requests are served, by the settings. */
export type Serving = Omit<JudgeOptions, 'equalsSecret'>;

const DEFAULT_SERVING: Serving = { pathNormalization: 'full', headersWithUnderscores: 'allow' };

/** What is said on a connection. */
export interface Talk {
  readonly request?: HttpRequest | undefined;
  /** By default as settings are by default. */
  readonly serving?: Serving;
  /** Of TLS (SNI). */
  readonly serverName?: string | undefined;
}

/** What rules of layer 7 make of a connection at one end. */
export interface Layer7Report {
  readonly slot: string;
  readonly kind: Slot['rules']['kind'];
  /** Of which any allows. */
  readonly rules: readonly { readonly text: string; readonly source: FieldRef }[];
  /** What allows everything besides. */
  readonly allowsAll: readonly FieldRef[];
  /** `asked` where nothing was said that they could judge, `unknown` where it depends on a Secret. */
  readonly decision: 'allow' | 'deny' | 'asked' | 'unknown';
  /** The rule that allows, or what keeps the nearest from it. */
  readonly reason?: string;
}

/** Judges what is said by the rules of a slot. */
export function judgeSlot(slot: Slot, talk: Talk): Layer7Report {
  const { name, rules, allowsAll } = slot;
  const about = { slot: name, kind: rules.kind, rules: describeRules(slot), allowsAll };
  if (allowsAll.length > 0) return { ...about, decision: 'allow' };
  if (rules.kind === 'tls') {
    if (talk.serverName === undefined) return { ...about, decision: rules.rules.length > 0 ? 'asked' : 'deny' };
    const found = findServerName(rules.rules, talk.serverName);
    return {
      ...about,
      decision: found ? 'allow' : 'deny',
      reason: found ? found.pattern : `server name ${talk.serverName} is none of these`,
    };
  }
  if (!talk.request) return { ...about, decision: rules.rules.length > 0 ? 'asked' : 'deny' };
  const judgement = judgeRequest(rules.rules, talk.request, talk.serving ?? DEFAULT_SERVING);
  if (judgement.decision === 'allow') return { ...about, decision: 'allow', reason: describeHttpRule(judgement.by.rule) };
  if (judgement.decision === 'refuse') return { ...about, decision: 'deny', reason: describeRefusal(judgement.refusal) };
  const { decision, nearest } = judgement;
  return { ...about, decision, ...(nearest ? { reason: describeMisses(nearest) } : {}) };
}

/** What is said at the other end, where it passes here. */
export function hearBeyond({ rules }: Slot, talk: Talk): Talk {
  if (rules.kind === 'tls' || !talk.request) return talk;
  return { ...talk, request: passOn(rules.rules, talk.request, talk.serving ?? DEFAULT_SERVING) };
}

function describeRules({ rules }: Slot): Layer7Report['rules'] {
  if (rules.kind === 'tls') return rules.rules.map(({ pattern, source }) => ({ text: `server name ${pattern}`, source }));
  return rules.rules.map((rule) => ({ text: describeHttpRule(rule), source: rule.source }));
}

const REQUEST = /^(?<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?<target>\/[!-~]*)$/;
const HEADER = /^(?<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(?<value>.*)$/;

/** A request as it is given on the command line. */
export interface RequestText {
  /** Method and path, as `GET /path?query`. */
  readonly line: string;
  readonly host: string;
  /** As `Name: value` each. */
  readonly headers: readonly string[];
}

/**
 * Reads a request, as Envoy normalises it before rules see it.
 * @throws CliError for what no request can be, or what Envoy answers itself
 */
export function readRequest(text: RequestText, serving: Serving): HttpRequest {
  const request = parseRequest(text);
  const normalized = normalizeRequest(request, serving);
  if (normalized.kind === 'request') return normalized.request;
  const answer = normalized.kind === 'redirect' ? `a redirect to ${normalized.path}, by which rules judge` : `400, as ${normalized.reason}`;
  throw new CliError('failed', `Envoy answers ${request.path} with ${answer}`);
}

function parseRequest({ line, host, headers }: RequestText): HttpRequest {
  const { method, target } = REQUEST.exec(line)?.groups ?? {};
  if (method === undefined || target === undefined) {
    throw new CliError('usage', `--http must be a method and a path, as 'GET /path', not ${JSON.stringify(line)}`);
  }
  const read = headers.map((text): [string, string] => {
    const { name, value } = HEADER.exec(text)?.groups ?? {};
    if (name === undefined || value === undefined) {
      throw new CliError('usage', `--header must be a name and a value, as 'Name: value', not ${JSON.stringify(text)}`);
    }
    return [name, value];
  });
  return { method, path: target, host, headers: read };
}
