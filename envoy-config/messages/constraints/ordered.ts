import { isMessage } from '@bufbuild/protobuf';
import { isReflectMessage } from '@bufbuild/protobuf/reflect';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { type Check, demand, type RuleSet } from './rule-set.ts';

type Ordered = number | bigint;

interface Scale {
  /** What the values, and the limits in the rules, are compared by; undefined where it is none. */
  readonly read: (value: unknown) => Ordered | undefined;
  readonly show: (value: Ordered) => string;
}

const NUMBERS: Scale = {
  read: (value) => (typeof value === 'number' || typeof value === 'bigint' ? value : undefined),
  show: String,
};

const DURATIONS: Scale = {
  read: (value) => (isReflectMessage(value) && isMessage(value.message, DurationSchema) ? nanosOf(value.message) : undefined),
  show: (nanos) => `${Number(nanos) / 1e9}s`,
};

/** Where there are bounds, NaN is refused, though Envoy's own checks let it pass. */
export function numberChecks(rules: RuleSet): readonly Check[] {
  const checks = orderedChecks(rules, NUMBERS);
  return rules.isTrue('ignore_empty') ? checks.map((check) => (value) => (Number(value) === 0 ? undefined : check(value))) : checks;
}

export function durationChecks(rules: RuleSet): readonly Check[] {
  return orderedChecks(rules, DURATIONS);
}

function orderedChecks(rules: RuleSet, { read, show }: Scale): readonly Check[] {
  const checks: Check[] = [];
  const exact = read(rules.get('const'));
  if (exact !== undefined) checks.push(demand((value) => read(value) === exact, `must be ${show(exact)}`));
  const range = rangeCheck(rules, { read, show });
  if (range) checks.push(range);
  const among = rules.list('in').map(read);
  if (among.length > 0) checks.push(demand((value) => among.includes(read(value)), 'must be one of those that are allowed'));
  const not = rules.list('not_in').map(read);
  if (not.length > 0) checks.push(demand((value) => !not.includes(read(value)), 'must not be one of those that are forbidden'));
  return checks;
}

interface Bound {
  readonly limit: Ordered;
  readonly holds: (value: Ordered) => boolean;
  readonly text: string;
}

function rangeCheck(rules: RuleSet, { read, show }: Scale): Check | undefined {
  const bound = (name: string, text: string, holds: (value: Ordered, limit: Ordered) => boolean): readonly Bound[] => {
    const limit = read(rules.get(name));
    return limit === undefined ? [] : [{ limit, holds: (value) => holds(value, limit), text: `${text} ${show(limit)}` }];
  };
  const lower = [...bound('gt', 'greater than', (a, b) => a > b), ...bound('gte', 'at least', (a, b) => a >= b)];
  const upper = [...bound('lt', 'less than', (a, b) => a < b), ...bound('lte', 'at most', (a, b) => a <= b)];
  const bounds = [...lower, ...upper];
  if (bounds.length === 0) return undefined;
  // A range whose ends are the wrong way round is what the value has to be outside of.
  const inverted = lower.some(({ limit }) => upper.some((other) => limit >= other.limit));
  const isInside = (value: Ordered) => (inverted ? bounds.some(({ holds }) => holds(value)) : bounds.every(({ holds }) => holds(value)));
  return demand(
    (value) => {
      const ordered = read(value);
      return ordered !== undefined && isInside(ordered);
    },
    `must be ${bounds.map(({ text }) => text).join(inverted ? ' or ' : ' and ')}`,
  );
}

function nanosOf({ seconds, nanos }: Duration): bigint {
  return seconds * 1_000_000_000n + BigInt(nanos);
}
