import type { z } from 'zod';
import { type Finding, finding } from './codes.ts';
import { quote } from './quote.ts';

const MAX_FINDINGS = 20;

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/**
 * One sentence for each thing that a view found wrong in `raw`.
 * @param secret leaves every value out of the messages.
 */
export function describeIssues(issues: readonly z.core.$ZodIssue[], raw: unknown, secret: boolean): Finding[] {
  const findings = issues.slice(0, MAX_FINDINGS).map((issue) => {
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
    const value = valueAt(raw, path);
    const told = secret || value === undefined ? '' : `, not ${quote(value)}`;
    return finding('InvalidObject', value === undefined ? 'is required' : sentence(issue, value, told), path);
  });
  const rest = issues.length - findings.length;
  if (rest > 0) findings.push(finding('InvalidObject', `has ${rest} more fields that are wrong`));
  return findings;
}

function sentence(issue: z.core.$ZodIssue, value: unknown, told: string): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}${told}${quotesHint(issue.expected, value)}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}${told}`;
    case 'too_small':
      return tooSmall(issue.origin, issue.minimum) ?? `must be at least ${issue.minimum}${told}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${issue.origin === 'string' ? ' characters long' : ''}${told}`;
    case 'invalid_key':
      return issue.issues[0]?.message ?? issue.message;
    case 'unrecognized_keys':
      return `has no field ${issue.keys.map(quote).join(', ')}`;
    default:
      return `${issue.message}${told}`;
  }
}

function tooSmall(origin: string, minimum: number | bigint): string | undefined {
  if (minimum !== 1) return undefined;
  if (origin === 'string') return 'must not be empty';
  return origin === 'array' ? 'must have at least one item' : undefined;
}

/** `true`, `80` and the like are no strings in YAML unless they are quoted, which surprises most in annotations. */
function quotesHint(expected: string, value: unknown): string {
  return expected === 'string' && (typeof value === 'boolean' || typeof value === 'number') ? ': put it in quotes' : '';
}

function valueAt(raw: unknown, path: readonly (string | number)[]): unknown {
  let value = raw;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}
