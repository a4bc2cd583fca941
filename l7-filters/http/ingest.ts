import type { FieldPath, FieldRef, FullMatch, HeaderRule, HttpRule } from '../../model/index.ts';
import { regexProblem } from '../../regex/index.ts';
import { type HeaderMatchSpec, ingestHeader, ingestHeaderMatch } from './header.ts';

/** A rule as CiliumNetworkPolicies have it, its shape already checked. @see https://docs.cilium.io/en/stable/security/policy/language/#http */
export interface HttpRuleSpec {
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly headers?: readonly string[] | undefined;
  readonly headerMatches?: readonly HeaderMatchSpec[] | undefined;
}

/** What is wrong with a rule. The path is that within the rule. */
export interface RuleProblem {
  readonly path: FieldPath;
  readonly message: string;
}

export type HttpRuleResult =
  | { readonly result: 'usable'; readonly rule: HttpRule }
  | { readonly result: 'wrong'; readonly problems: readonly RuleProblem[] };

export interface HttpRuleContext {
  /** Where the rule stands. */
  readonly source: FieldRef;
  /** In which a Secret is that names no namespace. */
  readonly namespace: string;
  /** The largest RE2 program that Envoy takes, in instructions. */
  readonly maxProgramSize: number;
}

/** Reads one rule. A member that is empty asks for nothing, as one that is absent. */
export function ingestHttpRule(spec: HttpRuleSpec, { source, namespace, maxProgramSize }: HttpRuleContext): HttpRuleResult {
  const problems: RuleProblem[] = [];
  const at = (...path: FieldPath): FieldRef => ({ object: source.object, path: [...source.path, ...path] });
  const pattern = (member: 'method' | 'path' | 'host'): { readonly [name in typeof member]?: FullMatch } => {
    const regex = spec[member] ?? '';
    if (regex === '') return {};
    const problem = regexProblem(regex, maxProgramSize);
    if (problem !== undefined) problems.push({ path: [member], message: `${JSON.stringify(regex)} ${problem}` });
    return { [member]: { regex, source: at(member) } };
  };
  const patterns = { ...pattern('method'), ...pattern('path'), ...pattern('host') };
  const headers: HeaderRule[] = [];
  for (const [index, text] of (spec.headers ?? []).entries()) {
    const header = ingestHeader(text, at('headers', index), maxProgramSize);
    if (typeof header === 'string') problems.push({ path: ['headers', index], message: header });
    else headers.push(header);
  }
  for (const [index, match] of (spec.headerMatches ?? []).entries()) {
    const header = ingestHeaderMatch(match, at('headerMatches', index), { namespace, maxProgramSize });
    if ('problem' in header) problems.push({ path: ['headerMatches', index, ...header.path], message: header.problem });
    else headers.push(header);
  }
  return problems.length > 0 ? { result: 'wrong', problems } : { result: 'usable', rule: { ...patterns, headers, source } };
}
