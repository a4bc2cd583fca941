export { describeHttpRule, describeMisses } from './describe.ts';
export { type HttpRuleContext, type HttpRuleResult, type HttpRuleSpec, ingestHttpRule, type RuleProblem } from './ingest.ts';
export { type EqualsSecret, judgeRequest, type Miss, matchRule, type RequestJudgement, type RuleMatch, type Secret } from './match.ts';
export { type NormalizedRequest, normalizeRequest } from './normalize.ts';
export { type HttpRequest, headerValue } from './request.ts';
