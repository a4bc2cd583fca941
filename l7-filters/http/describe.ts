import { formatField, type HeaderMismatch, type HeaderRule, type HeaderValue, type HttpRule } from '../../model/index.ts';
import type { Miss, RuleMatch } from './match.ts';

/**
 * Says what keeps a rule from allowing a request, and where that stands, such as `method PUT is not POST
 * (CiliumNetworkPolicy default/rule1 spec.ingress[0].toPorts[0].rules.http[0].method)`. Names Secrets, never what they hold.
 */
export function describeMisses({ misses }: RuleMatch): string {
  return misses.map((miss) => `${describeMiss(miss)} (${formatField(miss.rule.source)})`).join(', ');
}

/** What a rule asks for, such as `method GET, path "/public/.*", header x-role admin`. Names Secrets, never what they hold. */
export function describeHttpRule({ method, path, host, headers }: HttpRule): string {
  const patterns = Object.entries({ method, path, host }).flatMap(([name, match]) => (match ? `${name} ${quote(match.regex)}` : []));
  const parts = [...patterns, ...headers.map(describeHeader)];
  return parts.length > 0 ? parts.join(', ') : 'any request';
}

const OTHERWISE: Readonly<Record<HeaderMismatch, string>> = {
  deny: '',
  log: ', else logged',
  add: ', else added',
  delete: ', else removed',
  replace: ', else replaced',
};

function describeHeader({ name, value, mismatch }: HeaderRule): string {
  return `header ${name}${value ? ` ${describeValue(value)}` : ''}${OTHERWISE[mismatch]}`;
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

function quote(text: string): string {
  return /^[!-~]+$/.test(text) ? text : JSON.stringify(text);
}
