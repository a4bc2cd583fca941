import type { DescField } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { ConstraintError } from './constraint-error.ts';

/** What a value is to be; undefined where it is. The text continues a sentence that begins with the path, and never holds the value. */
export type Check = (value: unknown) => string | undefined;

/** The rules of one kind that a field has, by the names of validate.proto. Remembers which were asked for, so that none is passed over. */
export class RuleSet {
  readonly #rules: ReflectMessage;
  readonly #fields: ReadonlyMap<string, DescField>;
  readonly #asked = new Set<string>();

  constructor(rules: ReflectMessage) {
    this.#rules = rules;
    this.#fields = new Map(rules.fields.filter((field) => rules.isSet(field)).map((field) => [field.name, field]));
  }

  get(name: string): unknown {
    this.#asked.add(name);
    const field = this.#fields.get(name);
    return field && this.#rules.get(field);
  }

  isTrue(name: string): boolean {
    return this.get(name) === true;
  }

  number(name: string): number | bigint | undefined {
    const value = this.get(name);
    return typeof value === 'number' || typeof value === 'bigint' ? value : undefined;
  }

  text(name: string): string | undefined {
    const value = this.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  /** Empty where it is not set. */
  list(name: string): readonly unknown[] {
    this.#asked.add(name);
    const field = this.#fields.get(name);
    return field?.fieldKind === 'list' ? [...this.#rules.get(field)] : [];
  }

  /** @throws ConstraintError where there is a rule that nobody asked for */
  demandAllAsked(): void {
    const others = [...this.#fields.keys()].filter((name) => !this.#asked.has(name));
    if (others.length > 0) throw new ConstraintError(`${this.#rules.desc.typeName}: ${others.join(', ')}`);
  }
}

/** A check that says one thing of all values that it is not true of. */
export function demand(isRight: (value: unknown) => boolean, message: string): Check {
  return (value) => (isRight(value) ? undefined : message);
}
