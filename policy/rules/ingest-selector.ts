import type { LabelSelectorSpec } from '../../kube/index.ts';
import type { FieldPath } from '../../model/index.ts';
import type { LabelKey } from '../labels/label.ts';
import { type Operator, type Requirement, requireLabel } from '../labels/selector.ts';
import type { Findings } from './findings.ts';
import { property } from './raw.ts';

/** How a key in a selector is meant: with a source, with a prefix. */
export type KeyReader = (key: string) => LabelKey;

/**
 * What a selector asks for. None is everything.
 * @param findings takes what is wrong with it
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function ingestSelector(spec: LabelSelectorSpec, path: FieldPath, read: KeyReader, findings: Findings): Requirement[] {
  const requirements = Object.entries(spec.matchLabels ?? {}).map(([key, value]) => requireLabel(read(key), 'In', [value]));
  for (const [index, { key, operator, values = [] }] of (spec.matchExpressions ?? []).entries()) {
    const problem = valuesProblem(operator, values);
    if (problem === undefined) requirements.push(requireLabel(read(key), operator, values));
    else findings.refuse([...path, 'matchExpressions', index, 'values'], problem);
  }
  return requirements;
}

function valuesProblem(operator: Operator, values: readonly string[]): string | undefined {
  const takesValues = operator === 'In' || operator === 'NotIn';
  if (takesValues && values.length === 0) return `must have at least one item for the operator ${operator}`;
  if (!takesValues && values.length > 0) return `must be empty for the operator ${operator}`;
  return undefined;
}

const OPERATORS: ReadonlySet<unknown> = new Set<Operator>(['In', 'NotIn', 'Exists', 'DoesNotExist']);

/**
 * What can be read of a selector that may be wrong. What cannot is left out, so it selects no less than it was meant to.
 * @param raw of any shape
 */
export function readableRequirements(raw: unknown, read: KeyReader): Requirement[] {
  const labels = property(raw, 'matchLabels');
  const pairs = typeof labels === 'object' && labels !== null && !Array.isArray(labels) ? Object.entries(labels) : [];
  const requirements = pairs.flatMap(([key, value]) => (typeof value === 'string' ? [requireLabel(read(key), 'In', [value])] : []));
  const expressions = property(raw, 'matchExpressions');
  for (const expression of Array.isArray(expressions) ? expressions : []) {
    const readable = readableExpression(expression, read);
    if (readable) requirements.push(readable);
  }
  return requirements;
}

function readableExpression(raw: unknown, read: KeyReader): Requirement | undefined {
  const key = property(raw, 'key');
  const operator = property(raw, 'operator');
  const values: unknown = property(raw, 'values') ?? [];
  if (typeof key !== 'string' || !isOperator(operator) || !Array.isArray(values)) return undefined;
  const texts = values.filter((value) => typeof value === 'string');
  if (texts.length !== values.length || valuesProblem(operator, texts) !== undefined) return undefined;
  return requireLabel(read(key), operator, texts);
}

function isOperator(value: unknown): value is Operator {
  return OPERATORS.has(value);
}
