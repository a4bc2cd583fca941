import type { FieldPath, FieldRef, HeaderMismatch, HeaderRule, HeaderValue } from '../../model/index.ts';

/** @see https://docs.cilium.io/en/stable/security/policy/language/#http */
export interface HeaderMatchSpec {
  readonly name: string;
  readonly value?: string | undefined;
  readonly secret?: { readonly name: string; readonly namespace?: string | undefined } | undefined;
  readonly mismatch?: 'LOG' | 'ADD' | 'DELETE' | 'REPLACE' | '' | undefined;
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What a header's value cannot have. https://www.rfc-editor.org/rfc/rfc9110#section-5.5 */
const UNSENDABLE = /[\0\r\n]/;
/** `X-Key: value`, `X-Key value` or `X-Key`. */
const HEADER = /^(?<name>[^ ]*?)(?::? (?<value>.*))?$/s;

const MISMATCHES: Readonly<Record<Exclude<NonNullable<HeaderMatchSpec['mismatch']>, ''>, HeaderMismatch>> = {
  LOG: 'log',
  ADD: 'add',
  DELETE: 'delete',
  REPLACE: 'replace',
};

/** Reads an item of `headers`; a text for one that is wrong. */
export function ingestHeader(text: string, source: FieldRef): HeaderRule | string {
  const { name = '', value } = HEADER.exec(text)?.groups ?? {};
  const problem = nameProblem(name);
  if (problem !== undefined) return `${problem} (a header is written as "Name: value" or "Name")`;
  if (value === undefined) return { name: name.toLowerCase(), mismatch: 'deny', source };
  if (value.trim() === '') return 'has no value after its name; a name alone asks for any value';
  if (UNSENDABLE.test(value)) return 'has a value that no header can have';
  return { name: name.toLowerCase(), value: { kind: 'literal', text: value.trim() }, mismatch: 'deny', source };
}

/**
 * Reads an item of `headerMatches`.
 * @param namespace of a Secret that names none
 */
export function ingestHeaderMatch(
  { name, value = '', secret, mismatch = '' }: HeaderMatchSpec,
  source: FieldRef,
  namespace: string,
): HeaderRule | { readonly problem: string; readonly path: FieldPath } {
  const problem = nameProblem(name);
  if (problem !== undefined) return { problem, path: ['name'] };
  if (UNSENDABLE.test(value)) return { problem: 'is a value that no header can have', path: ['value'] };
  if (secret && secret.name === '') return { problem: 'is required', path: ['secret', 'name'] };
  // What is added to a request, or replaced, whoever receives it can read.
  if (secret?.namespace && namespace !== '' && secret.namespace !== namespace)
    return { problem: `must be ${namespace}, the namespace of the policy`, path: ['secret', 'namespace'] };
  const literal: HeaderValue | undefined = value.trim() === '' ? undefined : { kind: 'literal', text: value.trim() };
  const wanted: HeaderValue | undefined = secret
    ? {
        kind: 'secret',
        namespace: secret.namespace || namespace,
        name: secret.name,
        key: '',
        ...(literal ? { fallback: literal.text } : {}),
      }
    : literal;
  return {
    name: name.toLowerCase(),
    ...(wanted ? { value: wanted } : {}),
    mismatch: mismatch === '' ? 'deny' : MISMATCHES[mismatch],
    source,
  };
}

function nameProblem(name: string): string | undefined {
  return NAME.test(name) ? undefined : `${JSON.stringify(name)} is no name of a header`;
}
