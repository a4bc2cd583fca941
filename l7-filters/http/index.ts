export { type Decision, formatDecision, parseDecision } from './decision.ts';
export { describeHttpRule, describeMisses } from './describe.ts';
export { type HeaderAction, headerActions } from './header-actions.ts';
export { type HttpRuleContext, type HttpRuleResult, type HttpRuleSpec, ingestHttpRule, type RuleProblem } from './ingest.ts';
export { lookalikesOf } from './lookalikes.ts';
export {
  type EqualsSecret,
  type JudgeOptions,
  judgeRequest,
  type Miss,
  matchRule,
  type RequestJudgement,
  type RuleMatch,
  type Secret,
} from './match.ts';
export { type NormalizedRequest, normalizeRequest } from './normalize.ts';
export { passOn } from './pass-on.ts';
export {
  AUDITED,
  ENFORCED,
  isDenied,
  knownRefusalOf,
  NETWORK_RBAC,
  passedBy,
  RBAC,
  RBAC_DENIED,
  refusalOf,
  wouldBeDenied,
} from './rbac.ts';
export { describeRefusal } from './refuse.ts';
export { type HttpRequest, headerValue } from './request.ts';
export { REQUEST_ID_STATE } from './request-id-state.ts';
