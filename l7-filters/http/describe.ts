import { type FieldRef, formatPath, type HeaderValue } from '../../model/index.ts';
import type { Miss, RuleMatch } from './match.ts';

/**
 * Says what keeps a rule from allowing a request, and where that stands, such as `method PUT is not POST
 * (CiliumNetworkPolicy default/rule1, spec.ingress[0].toPorts[0].rules.http[0].method)`. Names Secrets, never what they hold.
 */
export function describeMisses({ misses }: RuleMatch): string {
  return misses.map((miss) => `${describeMiss(miss)} (${describeSource(miss.rule.source)})`).join(', ');
}

function describeMiss({ kind, rule, actual, isCertain }: Miss): string {
  if (!('mismatch' in rule)) return `${kind} ${quote(actual ?? '')} is not ${quote(rule.regex)}`;
  const { name, value } = rule;
  if (actual === undefined) return `header ${name} is missing`;
  const wanted = value ? describeValue(value) : 'there';
  return isCertain ? `header ${name} is not ${wanted}` : `whether header ${name} is ${wanted} is not known here`;
}

function describeValue(value: HeaderValue): string {
  return value.kind === 'literal' ? quote(value.text) : `the value of Secret ${value.namespace}/${value.name}`;
}

function describeSource({ object: { kind, namespace, name }, path }: FieldRef): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}, ${formatPath(path)}`;
}

function quote(text: string): string {
  return /^[!-~]+$/.test(text) ? text : JSON.stringify(text);
}
