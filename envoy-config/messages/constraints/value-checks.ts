import type { DescField } from '@bufbuild/protobuf';
import { isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { isWrapperDesc } from '@bufbuild/protobuf/wkt';
import { type FieldRules, FieldRulesSchema } from '@sluice/envoy-protos/validate/validate_pb.js';
import { ConstraintError } from './constraint-error.ts';
import { durationChecks, numberChecks } from './ordered.ts';
import { type Check, demand, RuleSet } from './rule-set.ts';
import { anyChecks, bytesChecks, textChecks } from './text.ts';

/** What one value has to be: that of a field, an item of a list, a key or a value of a map. */
export interface ValueRules {
  /** It has to be set; of fields with presence only. */
  readonly required: boolean;
  /** Whatever it holds is right. */
  readonly skipped: boolean;
  readonly checks: readonly Check[];
}

export const NO_RULES: ValueRules = { required: false, skipped: false, checks: [] };

/** The rules of a kind that `rules` has, and the kind by its name in validate.proto; undefined where it has none but those of messages. */
export function kindOfRules(rules: FieldRules): { readonly kind: string; readonly set: RuleSet } | undefined {
  const field = FieldRulesSchema.fields.find(({ localName }) => localName === rules.type.case);
  return field?.fieldKind === 'message' ? { kind: field.name, set: new RuleSet(reflect(FieldRulesSchema, rules).get(field)) } : undefined;
}

/**
 * @param field whose value it is, or whose items or values
 * @throws ConstraintError where a rule is not known
 */
export function valueRules(field: DescField, rules: FieldRules): ValueRules {
  const found = kindOfRules(rules);
  const checks = found ? checksOf(field, found.kind, found.set) : [];
  const ofWrapped = field.message && isWrapperDesc(field.message);
  const required = found?.set.isTrue('required') ?? false;
  found?.set.demandAllAsked();
  return {
    required: required || rules.message?.required === true,
    skipped: rules.message?.skip === true,
    checks: ofWrapped ? checks.map((check) => (value) => check(unwrapped(value))) : checks,
  };
}

function checksOf(field: DescField, kind: string, rules: RuleSet): readonly Check[] {
  switch (kind) {
    case 'string':
      return textChecks(rules);
    case 'bytes':
      return bytesChecks(rules);
    case 'bool':
      return flagChecks(rules);
    case 'enum':
      return enumChecks(field, rules);
    case 'duration':
      return durationChecks(rules);
    case 'any':
      return anyChecks(rules);
    case 'timestamp':
      return [];
    case 'repeated':
    case 'map':
      throw new ConstraintError(`${field}: rules for a ${kind} where there is none`);
    default:
      return numberChecks(rules);
  }
}

function flagChecks(rules: RuleSet): readonly Check[] {
  const exact = rules.get('const');
  return exact === undefined ? [] : [demand((value) => value === exact, `must be ${exact}`)];
}

function enumChecks({ enum: desc }: DescField, rules: RuleSet): readonly Check[] {
  const checks: Check[] = [];
  const values = desc?.values ?? [];
  const nameOf = (number: unknown) => values.find((value) => value.number === number)?.name ?? String(number);
  const exact = rules.get('const');
  if (exact !== undefined) checks.push(demand((value) => value === exact, `must be ${nameOf(exact)}`));
  if (rules.isTrue('defined_only')) {
    const known = new Set<unknown>(values.map(({ number }) => number));
    checks.push(demand((value) => known.has(value), 'must be a value that there is'));
  }
  const among = rules.list('in');
  if (among.length > 0) checks.push(demand((value) => among.includes(value), `must be one of ${among.map(nameOf).join(', ')}`));
  const not = rules.list('not_in');
  if (not.length > 0) checks.push(demand((value) => !not.includes(value), `must not be ${not.map(nameOf).join(' or ')}`));
  return checks;
}

function unwrapped(value: unknown): unknown {
  const [field] = isReflectMessage(value) ? value.fields : [];
  return isReflectMessage(value) && field ? value.get(field) : value;
}
