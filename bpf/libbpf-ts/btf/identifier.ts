import { BpfError } from '../error.ts';

const RESERVED = new Set(
  (
    'break case catch class const continue debugger default delete do else enum export extends false finally for function if implements import in ' +
    'instanceof interface let maps new null package private protected public return static super switch this throw true try typeof var void while with yield'
  ).split(' '),
);

/**
 * A name of C as one of TypeScript, where some have a `_` after them.
 * @throws BpfError `open-failed` where it is none, since it would be code
 */
export function identifierOf(name: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name)) throw new BpfError('open-failed', `the object has a name that is none of C: ${JSON.stringify(name)}`);
  return RESERVED.has(name) ? `${name}_` : name;
}
