import { shownHost, shownPath } from '../../flows/index.ts';
import { describeMisses, describeRefusal, type HttpRequest, judgeRequest, type Miss, type RuleMatch } from '../../l7-filters/http/index.ts';
import { findServerName } from '../../l7-filters/tls/index.ts';
import { formatField } from '../../model/index.ts';
import { SLOT_TYPE, type SnapshotCache } from '../../xds-server/serve/index.ts';
import { rulesOf } from '../slots/decode-slot.ts';
import { parseRules } from '../slots/slot-rules.ts';
import type { Denial, DenialLog, RequestDenial, ServerNameDenial } from './denial-log.ts';

/** Envoy has made of the request what it is, and says itself what it refuses. */
const AS_SERVED = { pathNormalization: 'none', headersWithUnderscores: 'allow' } as const;

/** What came nearest to allowing a request or a connection, as far as the rules are that are in force now. */
export type DenialExplanation = Denial & {
  /**
   * `refused`: whatever rules say. `nothing`: no rule is there that could have allowed it. `nearest`: one missed it least. `allowed`: the rules have changed since, and would
   * allow it now. `unknown`: the slot is gone, or too little of the request is kept.
   */
  readonly verdict: 'refused' | 'nothing' | 'nearest' | 'allowed' | 'unknown';
  /** Policy, rule and field, as people read them. */
  readonly text: string;
};

/**
 * Explains a denial by the rules that nodes are told of.
 * @returns undefined where none of this id was lately
 */
export function explainDenialOf(denials: DenialLog, cache: SnapshotCache, id: string): DenialExplanation | undefined {
  const denial = denials.find(id);
  if (!denial) return undefined;
  const resource = cache.get({ typeUrl: SLOT_TYPE, name: denial.slot });
  return explainDenial(denial, resource && rulesOf(resource));
}

/**
 * @param rules JSON of the slot's rules, as nodes are told of them; undefined where there are none any more
 * Headers are not known: where the rest matches, it is one of these.
 */
export function explainDenial(denial: Denial, rules: string | undefined): DenialExplanation {
  if (denial.kind === 'server-name') return explainServerName(denial, rules);
  return { ...shown(denial), ...explainRequest(denial, rules) };
}

type Explained = Pick<DenialExplanation, 'verdict' | 'text'>;

function explainRequest(denial: RequestDenial, rules: string | undefined): Explained {
  const { refusal } = denial;
  if (refusal !== undefined) return { verdict: 'refused', text: describeRefusal(refusal) };
  const parsed = rules === undefined ? undefined : parseRules(rules);
  if (parsed?.kind !== 'http') return { verdict: 'unknown', text: NOT_IN_FORCE };
  if (denial.isCut) return { verdict: 'unknown', text: CUT };
  const request: HttpRequest = { method: denial.method, path: denial.path, host: denial.host, headers: [] };
  const judgement = judgeRequest(parsed.rules, request, AS_SERVED);
  if (judgement.decision === 'refuse') return { verdict: 'refused', text: describeRefusal(judgement.refusal) };
  if (judgement.decision === 'allow')
    return { verdict: 'allowed', text: `it would be allowed now, by ${formatField(judgement.by.rule.source)}` };
  const { nearest } = judgement;
  if (!nearest) return { verdict: 'nothing', text: 'there are rules, but none that could allow anything' };
  const misses = nearest.misses.map((miss) => describe(nearest, shownMiss(miss, denial)));
  return { verdict: 'nearest', text: `${formatField(nearest.rule.source)} came nearest: ${misses.join(', ')}` };
}

/** Rules judge what was asked for as it is; queries, and who logs in by a host, may be secret. */
function shown(denial: RequestDenial): RequestDenial {
  return { ...denial, path: shownPath(denial.path), host: shownHost(denial.host) };
}

function shownMiss(miss: Miss, denial: RequestDenial): Miss {
  return miss.kind === 'path' || miss.kind === 'host' ? { ...miss, actual: shown(denial)[miss.kind] } : miss;
}

const CUT = 'it is too long to be kept as a whole, so rules cannot be asked again';
const NOT_IN_FORCE = 'the rules that denied it are not in force any more';
const SHOWN_NAMES = 5;

function explainServerName(denial: ServerNameDenial, rules: string | undefined): DenialExplanation {
  const parsed = rules === undefined ? undefined : parseRules(rules);
  if (parsed?.kind !== 'tls') return { ...denial, verdict: 'unknown', text: NOT_IN_FORCE };
  const found = findServerName(parsed.rules, denial.serverName);
  if (found) return { ...denial, verdict: 'allowed', text: `it would be allowed now, by ${formatField(found.source)}` };
  if (parsed.rules.length === 0) return { ...denial, verdict: 'nothing', text: 'there are no rules that could allow a server name' };
  const names = parsed.rules.slice(0, SHOWN_NAMES).map(({ pattern, source }) => `${pattern} (${formatField(source)})`);
  const others = parsed.rules.length > SHOWN_NAMES ? [`${parsed.rules.length - SHOWN_NAMES} more`] : [];
  const what = denial.serverName === '' ? 'it names no server, and rules ask for' : `server name ${denial.serverName} is none of`;
  return { ...denial, verdict: 'nearest', text: `${what} ${[...names, ...others].join(', ')}` };
}

/** What headers a request had was not written down, since any may be secret. */
function describe(match: RuleMatch, miss: Miss): string {
  if (miss.kind !== 'header' || !('name' in miss.rule)) return describeMisses({ ...match, misses: [miss] });
  return `header ${miss.rule.name} is not as it asks (${formatField(miss.rule.source)})`;
}
