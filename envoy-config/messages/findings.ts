import { type Path, type Step, stepsOf } from './path.ts';

/** What can be wrong with JSON that is to be a message. */
export const MESSAGE_CODES = {
  UnknownField: 'A message has no field of that name.',
  DuplicateField: 'A field is given twice: in camelCase and in snake_case, or a key of a map in two spellings.',
  OneofConflict: 'Of several fields that exclude one another more than one is given.',
  MissingField: 'A field that a message cannot be without is not given.',
  MissingType: 'A message of any type does not say which type it has.',
  UnknownType: 'There is no message of the type that is named, or none that can stand there.',
  UnknownEnumValue: 'An enum has no value of that name or number.',
  WrongType: 'A value is of another kind than its field: a text where a number has to be, and the like.',
  InvalidValue: 'A value is of the right kind, but none that the field can hold: out of range, or not in the form that it has to have.',
  TooDeep: 'Messages are nested deeper than Envoy reads them.',
  TooLarge: 'There are more values than are read.',
  MoreFindings: 'More is wrong than is listed.',
} as const satisfies Record<string, string>;

export type MessageCode = keyof typeof MESSAGE_CODES;

export interface MessageFinding {
  /** With keys as the user wrote them. */
  readonly path: readonly Step[];
  readonly code: MessageCode;
  /** Continues a sentence that begins with the path. It holds names of fields, types and enum values, no other text of the user's. */
  readonly message: string;
}

const MAX_FINDINGS = 100;
const MAX_QUOTED = 80;

/** What was found so far. Beyond the first hundred only their number is kept. */
export class Findings {
  readonly #kept: MessageFinding[] = [];
  #count = 0;

  /**
   * @param message a function where making it costs something
   * @returns undefined, which stands for a value that could not be read
   */
  add(path: Path, code: MessageCode, message: string | (() => string)): undefined {
    this.#count++;
    if (this.#count > MAX_FINDINGS) return;
    this.#kept.push({ path: stepsOf(path), code, message: typeof message === 'string' ? message : message() });
  }

  get count(): number {
    return this.#count;
  }

  list(): readonly MessageFinding[] {
    const more = this.#count - this.#kept.length;
    if (more === 0) return this.#kept;
    const message = more === 1 ? 'has one more mistake, which is not listed' : `has ${more} more mistakes, which are not listed`;
    return [...this.#kept, { path: [], code: 'MoreFindings', message }];
  }
}

/** A name for use in a message: on one line, cut where it is long. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > MAX_QUOTED ? `${name.slice(0, MAX_QUOTED)}…` : name);
}

/** What kind of JSON a value is, never the value. */
export function kindOf(json: unknown): string {
  if (json === null) return 'null';
  if (Array.isArray(json)) return 'a list';
  switch (typeof json) {
    case 'string':
      return 'a text';
    case 'number':
    case 'bigint':
      return 'a number';
    case 'boolean':
      return 'true or false';
    case 'object':
      return isJsonObject(json) ? 'an object' : 'a value that JSON does not have';
    default:
      return 'a value that JSON does not have';
  }
}

/** Whether a value is an object as JSON and YAML make them, no date and the like. */
export function isJsonObject(json: unknown): json is Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false;
  const prototype: unknown = Object.getPrototypeOf(json);
  return prototype === Object.prototype || prototype === null;
}
