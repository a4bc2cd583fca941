import { RE2JS } from 're2js';
import { estimateProgramSize } from '../../regex/index.ts';
import { OptionProblem } from '../option-problem.ts';

export type MatchesText = (text: string) => boolean;

/**
 * A pattern of DNS names: `*.example.com`. The star stands for any part of a name, dots included; case and one dot at the end do not count.
 */
export function domainPattern(pattern: string): MatchesText | OptionProblem {
  const expression = domainExpression(pattern);
  if (expression instanceof OptionProblem) return expression;
  const whole = RE2JS.compile(expression);
  return (name) => whole.matches(canonicalDomain(name));
}

/** `node`, `cluster/node`, `cluster/`: each part is a {@link domainPattern}, and one that is absent stands for all. */
export function nodePattern(pattern: string): MatchesText | OptionProblem {
  const parts = pattern.split('/');
  if (pattern === '' || parts.length > 2) return new OptionProblem(`${JSON.stringify(pattern)} is neither "node" nor "cluster/node"`);
  const [cluster, node] = parts.length === 2 ? parts : ['', parts[0]];
  const expressions = [cluster, node].map((part) => (part ? domainExpression(part) : '[^/]+'));
  for (const each of expressions) if (each instanceof OptionProblem) return each;
  const whole = RE2JS.compile(expressions.join('/'));
  return (name) => whole.matches(name);
}

const DOMAIN_PATTERN = /^[-0-9a-z_.*]+$/;

function domainExpression(pattern: string): string | OptionProblem {
  const canonical = canonicalDomain(pattern.trim());
  if (!DOMAIN_PATTERN.test(canonical) || canonical.endsWith('.'))
    return new OptionProblem(`${JSON.stringify(pattern)} is no pattern of names`);
  return expressionOf(canonical);
}

function expressionOf(pattern: string): string {
  return pattern.replaceAll('.', '\\.').replaceAll(/\*+/g, '[-.0-9a-z_]*');
}

/** About how many instructions of a regular expression a pattern of names amounts to, also one that is none. */
export function estimatePatternSize(pattern: string): number {
  return estimateProgramSize(expressionOf(pattern));
}

function canonicalDomain(name: string): string {
  return name.replace(/\.$/, '').toLowerCase();
}

/** `namespace/prefix`, `namespace/`, `prefix` (in the namespace `default`): objects whose name begins with the prefix. */
export function namePrefix(text: string): ((namespace: string, name: string) => boolean) | OptionProblem {
  if (text === '') return new OptionProblem('a name must not be empty');
  const [first = '', second] = text.split('/');
  const [wantedNamespace, prefix] = second === undefined ? ['default', first] : [first, second];
  return (namespace, name) => (wantedNamespace === '' || namespace === wantedNamespace) && name.startsWith(prefix);
}
