import { RE2JS } from 're2js';
import type { ServerNameRule } from '../../model/index.ts';

const LABEL_CHARACTER = '[-a-z0-9_]';

const COMPILED = new WeakMap<ServerNameRule, RE2JS>();

/**
 * The first rule that has a server name.
 * @param name as the client sends it (SNI); empty for none, which no rule has
 */
export function findServerName(rules: readonly ServerNameRule[], name: string): ServerNameRule | undefined {
  const lower = name.toLowerCase();
  return rules.find((rule) => compiled(rule).matches(lower));
}

function compiled(rule: ServerNameRule): RE2JS {
  const known = COMPILED.get(rule);
  if (known) return known;
  const expression = RE2JS.compile(serverNameExpression(rule.pattern));
  COMPILED.set(rule, expression);
  return expression;
}

/**
 * A regular expression (RE2, to match the whole) for a pattern of a server name: `*` is what may stand in a label, `**` one label or more.
 * @param pattern as a rule has it
 */
export function serverNameExpression(pattern: string): string {
  const label = `${LABEL_CHARACTER}+`;
  const labels = pattern.split('.').map((each) => {
    if (each === '**') return `${label}(?:\\.${label})*`;
    return each === '*' ? label : each.replaceAll('*', `${LABEL_CHARACTER}*`);
  });
  return labels.join('\\.');
}
