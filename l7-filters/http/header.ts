import type { FieldPath, FieldRef, HeaderMismatch, HeaderRule, HeaderValue } from '../../model/index.ts';
import { regexProblem } from '../../regex/index.ts';
import { lookalikesOf } from './lookalikes.ts';
import { DIRECTIVES } from './on-arrival.ts';

/** @see https://docs.cilium.io/en/stable/security/policy/language/#http */
export interface HeaderMatchSpec {
  readonly name: string;
  readonly value?: string | undefined;
  readonly secret?: { readonly name: string; readonly namespace?: string | undefined } | undefined;
  readonly mismatch?: 'LOG' | 'ADD' | 'DELETE' | 'REPLACE' | '' | undefined;
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Within Envoy, values of Secrets stand in such headers, and what clients sent. */
const OWN_NAME = /^x-sluice-/i;
/** What a header's value cannot have. https://www.rfc-editor.org/rfc/rfc9110#section-5.5 */
const UNSENDABLE = /[\0\r\n]/;
/** `X-Key: value`, `X-Key value` or `X-Key`. */
const HEADER = /^(?<name>[^ ]*?)(?::? (?<value>.*))?$/s;

/** To whom a request goes, and where it ends. */
const FIXED = new Set(['host', 'connection', 'content-length', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade']);
const CHANGES: ReadonlySet<string> = new Set(['ADD', 'DELETE', 'REPLACE']);

const MISMATCHES: Readonly<Record<Exclude<NonNullable<HeaderMatchSpec['mismatch']>, ''>, HeaderMismatch>> = {
  LOG: 'log',
  ADD: 'add',
  DELETE: 'delete',
  REPLACE: 'replace',
};

/**
 * Reads an item of `headers`; a text for one that is wrong.
 * @param maxProgramSize the largest RE2 program that Envoy takes, in instructions
 */
export function ingestHeader(text: string, source: FieldRef, maxProgramSize: number): HeaderRule | string {
  const { name = '', value } = HEADER.exec(text)?.groups ?? {};
  const problem = nameProblem(name, maxProgramSize);
  if (problem !== undefined) return NAME.test(name) ? problem : `${problem} (a header is written as "Name: value" or "Name")`;
  if (value === undefined) return { name: name.toLowerCase(), mismatch: 'deny', source };
  if (value.trim() === '') return 'has no value after its name; a name alone asks for any value';
  if (UNSENDABLE.test(value)) return 'has a value that no header can have';
  return { name: name.toLowerCase(), value: { kind: 'literal', text: value.trim() }, mismatch: 'deny', source };
}

export interface HeaderMatchContext {
  /** Of a Secret that names none. */
  readonly namespace: string;
  /** The largest RE2 program that Envoy takes, in instructions. */
  readonly maxProgramSize: number;
}

/** Reads an item of `headerMatches`. */
export function ingestHeaderMatch(
  { name, value = '', secret, mismatch = '' }: HeaderMatchSpec,
  source: FieldRef,
  { namespace, maxProgramSize }: HeaderMatchContext,
): HeaderRule | { readonly problem: string; readonly path: FieldPath } {
  const problem = nameProblem(name, maxProgramSize);
  if (problem !== undefined) return { problem, path: ['name'] };
  if (UNSENDABLE.test(value)) return { problem: 'is a value that no header can have', path: ['value'] };
  if (secret && secret.name === '') return { problem: 'is required', path: ['secret', 'name'] };
  // What is added to a request, or replaced, whoever receives it can read.
  if (secret?.namespace && namespace !== '' && secret.namespace !== namespace)
    return { problem: `must be ${namespace}, the namespace of the policy`, path: ['secret', 'namespace'] };
  if (FIXED.has(name.toLowerCase()) && CHANGES.has(mismatch))
    return { problem: `must not be ${mismatch}: ${name} stays as it is`, path: ['mismatch'] };
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

/** An instruction for a letter, two for what may be one of two. */
const MOST_INSTRUCTIONS = (name: string) => 2 * name.length + 10;

function nameProblem(name: string, maxProgramSize: number): string | undefined {
  if (!NAME.test(name)) return `${JSON.stringify(name)} is no name of a header`;
  if (OWN_NAME.test(name)) return `${JSON.stringify(name)} is a name that no client can send: x-sluice- is for what goes on within Envoy`;
  if (DIRECTIVES.has(name.toLowerCase())) return `${JSON.stringify(name)} is taken away before rules are asked, as Envoy would obey it`;
  if (MOST_INSTRUCTIONS(name) <= maxProgramSize) return undefined;
  const [problem] = lookalikesOf(name.toLowerCase()).flatMap((regex) => regexProblem(regex, maxProgramSize) ?? []);
  return problem === undefined ? undefined : `is too long a name: what finds other spellings of it ${problem}`;
}
