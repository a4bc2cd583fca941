import { isMessage } from '@bufbuild/protobuf';
import { isReflectMessage } from '@bufbuild/protobuf/reflect';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { KnownRegex } from '@sluice/envoy-protos/validate/validate_pb.js';
import { RE2JS } from 're2js';
import { ConstraintError } from './constraint-error.ts';
import { type Check, demand, type RuleSet } from './rule-set.ts';

interface Form {
  readonly pattern: string;
  readonly message: string;
}

/** What Envoy has for the patterns that have names; `+-.` is a range, which holds the comma. */
const HEADER_NAME: Form = { pattern: "^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$", message: 'must be the name of an HTTP header' };
const HEADER_VALUE: Form = { pattern: '^[^\\x00-\\x08\\x0A-\\x1F\\x7F]*$', message: 'must be the value of an HTTP header' };
const LOOSE: Form = { pattern: '^[^\\x00\\x0A\\x0D]*$', message: 'must have no line breaks and no NUL' };

export function textChecks(rules: RuleSet): readonly Check[] {
  const checks = [
    ...lengthChecks(rules, { names: ['len', 'min_len', 'max_len'], unit: 'character', measure: (value) => codePoints(String(value)) }),
    ...lengthChecks(rules, {
      names: ['len_bytes', 'min_bytes', 'max_bytes'],
      unit: 'byte',
      measure: (value) => Buffer.byteLength(String(value)),
    }),
    ...contentChecks(rules),
    ...[formOf(rules) ?? []].flat().map(matching),
  ];
  return rules.isTrue('ignore_empty') ? checks.map((check) => (value) => (value === '' ? undefined : check(value))) : checks;
}

/** Lengths only: Envoy has no others, and its own checks know no patterns of bytes. */
export function bytesChecks(rules: RuleSet): readonly Check[] {
  const size = (value: unknown) => (value instanceof Uint8Array ? value.length : 0);
  return lengthChecks(rules, { names: ['len', 'min_len', 'max_len'], unit: 'byte', measure: size });
}

/** Of an Any: which types it may hold. */
export function anyChecks(rules: RuleSet): readonly Check[] {
  const typeOf = (value: unknown) => (isReflectMessage(value) && isMessage(value.message, AnySchema) ? value.message.typeUrl : undefined);
  const checks: Check[] = [];
  const among = rules.list('in');
  if (among.length > 0) checks.push(demand((value) => among.includes(typeOf(value)), `must hold one of ${among.join(', ')}`));
  const not = rules.list('not_in');
  if (not.length > 0) checks.push(demand((value) => !not.includes(typeOf(value)), `must hold none of ${not.join(', ')}`));
  return checks;
}

interface Length {
  /** Of the rules for an exact length, the least and the greatest. */
  readonly names: readonly [string, string, string];
  readonly unit: string;
  readonly measure: (value: unknown) => number;
}

function lengthChecks(rules: RuleSet, { names: [exact, least, greatest], unit, measure }: Length): readonly Check[] {
  const checks: Check[] = [];
  const count = (limit: number | bigint) => `${limit} ${unit}${Number(limit) === 1 ? '' : 's'} long`;
  const length = rules.number(exact);
  if (length !== undefined) checks.push(demand((value) => measure(value) === Number(length), `must be ${count(length)}`));
  const min = rules.number(least);
  if (min !== undefined) {
    checks.push(demand((value) => measure(value) >= min, Number(min) === 1 ? 'must not be empty' : `must be at least ${count(min)}`));
  }
  const max = rules.number(greatest);
  if (max !== undefined) checks.push(demand((value) => measure(value) <= max, `must be at most ${count(max)}`));
  return checks;
}

function contentChecks(rules: RuleSet): readonly Check[] {
  const checks: Check[] = [];
  const has = (name: string, text: string, isRight: (value: string, part: string) => boolean) => {
    const part = rules.text(name);
    if (part !== undefined) checks.push(demand((value) => isRight(String(value), part), `must ${text} ${JSON.stringify(part)}`));
  };
  has('const', 'be', (value, part) => value === part);
  has('prefix', 'begin with', (value, part) => value.startsWith(part));
  has('suffix', 'end with', (value, part) => value.endsWith(part));
  has('contains', 'contain', (value, part) => value.includes(part));
  has('not_contains', 'not contain', (value, part) => !value.includes(part));
  const quoted = (list: readonly unknown[]) => list.map((text) => JSON.stringify(text)).join(', ');
  const among = rules.list('in');
  if (among.length > 0) checks.push(demand((value) => among.includes(value), `must be one of ${quoted(among)}`));
  const not = rules.list('not_in');
  if (not.length > 0) checks.push(demand((value) => !not.includes(value), `must be none of ${quoted(not)}`));
  return checks;
}

function formOf(rules: RuleSet): Form | undefined {
  const pattern = rules.text('pattern');
  if (pattern !== undefined) return { pattern, message: `must match ${pattern}` };
  const loose = rules.get('strict') === false;
  switch (rules.number('well_known_regex') ?? KnownRegex.UNKNOWN) {
    case KnownRegex.UNKNOWN:
      return undefined;
    case KnownRegex.HTTP_HEADER_NAME:
      return loose ? LOOSE : HEADER_NAME;
    case KnownRegex.HTTP_HEADER_VALUE:
      return loose ? LOOSE : HEADER_VALUE;
    default:
      throw new ConstraintError(`validate.KnownRegex: ${rules.number('well_known_regex')}`);
  }
}

const compiled = new Map<string, RE2JS>();

/** The whole of a value matches, as Envoy has it, by the rules of RE2. */
function matching({ pattern, message }: Form): Check {
  const regex = compiled.get(pattern) ?? RE2JS.compile(pattern);
  compiled.set(pattern, regex);
  return demand((value) => regex.matches(String(value)), message);
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
