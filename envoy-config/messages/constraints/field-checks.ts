import { type DescField, getOption, isMessage } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { FieldRulesSchema, rules as rulesExtension } from '@sluice/envoy-protos/validate/validate_pb.js';
import { below, type Path } from '../path.ts';
import { ConstraintError } from './constraint-error.ts';
import type { Check, RuleSet } from './rule-set.ts';
import { kindOfRules, NO_RULES, type ValueRules, valueRules } from './value-checks.ts';

export type Report = (path: Path, message: string) => void;

/** @param path of the message */
export type MessageCheck = (message: ReflectMessage, path: Path, report: Report) => void;

export interface FieldConstraints {
  /** Undefined where there is nothing to check. */
  readonly check: MessageCheck | undefined;
  /** What is in the field is not looked at. */
  readonly skipped: boolean;
}

/** @throws ConstraintError where a rule is not known */
export function fieldConstraints(field: DescField): FieldConstraints {
  const rules = field.proto.options && getOption(field, rulesExtension);
  if (!rules) return { check: undefined, skipped: false };
  if (field.fieldKind === 'list') return { check: listCheck(field, kindOfRules(rules)?.set), skipped: false };
  if (field.fieldKind === 'map') return { check: mapCheck(field, kindOfRules(rules)?.set), skipped: false };
  const value = valueRules(field, rules);
  return { check: singularCheck(field, value), skipped: value.skipped };
}

function singularCheck(field: DescField, { required, checks }: ValueRules): MessageCheck {
  const hasPresence = field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  return (message, path, report) => {
    if (!hasPresence || message.isSet(field)) applyChecks(checks, message.get(field), below(path, field.jsonName), report);
    // Of several fields of which there is only one, it is not this one then.
    else if (required && !field.oneof) report(below(path, field.jsonName), 'is required');
  };
}

function listCheck(field: DescField & { fieldKind: 'list' }, rules: RuleSet | undefined): MessageCheck | undefined {
  if (!rules) return undefined;
  const sizeChecks = sizeRules(rules, ['min_items', 'max_items'], 'item');
  const items = elementRules(field, rules, 'items');
  const unique = rules.isTrue('unique');
  rules.demandAllAsked();
  return (message, path, report) => {
    const list = message.get(field);
    const at = below(path, field.jsonName);
    applyChecks(sizeChecks, list.size, at, report);
    const before = new Set<unknown>();
    for (const [index, item] of list.entries()) {
      const key = comparable(item);
      if (unique && before.has(key)) report(below(at, index), 'must not be there twice');
      before.add(key);
      applyChecks(items.checks, item, below(at, index), report);
    }
  };
}

function mapCheck(field: DescField & { fieldKind: 'map' }, rules: RuleSet | undefined): MessageCheck | undefined {
  if (!rules) return undefined;
  const sizeChecks = sizeRules(rules, ['min_pairs', 'max_pairs'], 'entry');
  const keys = elementRules(field, rules, 'keys');
  const values = elementRules(field, rules, 'values');
  rules.demandAllAsked();
  return (message, path, report) => {
    const map = message.get(field);
    const at = below(path, field.jsonName);
    applyChecks(sizeChecks, map.size, at, report);
    for (const [key, value] of map.entries()) {
      const entry = below(at, String(key));
      applyChecks(keys.checks, key, entry, (where, text) => report(where, `has a key that ${text}`));
      applyChecks(values.checks, value, entry, report);
    }
  };
}

function applyChecks(checks: readonly Check[], value: unknown, path: Path, report: Report): void {
  for (const check of checks) {
    const wrong = check(value);
    if (wrong !== undefined) report(path, wrong);
  }
}

/** Of what is in a list or map. */
function elementRules(field: DescField, rules: RuleSet, name: 'items' | 'keys' | 'values'): ValueRules {
  const nested = rules.get(name);
  if (!isReflectMessage(nested) || !isMessage(nested.message, FieldRulesSchema)) return NO_RULES;
  const found = valueRules(field, nested.message);
  if (found.skipped) throw new ConstraintError(`${field}: skips what is in it`);
  return found;
}

function sizeRules(rules: RuleSet, [least, greatest]: readonly [string, string], unit: 'item' | 'entry'): readonly Check[] {
  const units = unit === 'item' ? 'items' : 'entries';
  const count = (limit: number | bigint) => `${limit} ${Number(limit) === 1 ? unit : units}`;
  const checks: Check[] = [];
  const min = rules.number(least);
  if (min !== undefined) checks.push((size) => (Number(size) < min ? `must have at least ${count(min)}` : undefined));
  const max = rules.number(greatest);
  if (max !== undefined) checks.push((size) => (Number(size) > max ? `must have at most ${count(max)}` : undefined));
  return checks;
}

/** What equal values have in common in a set. */
function comparable(item: unknown): unknown {
  return item instanceof Uint8Array ? Buffer.from(item).toString('hex') : item;
}
