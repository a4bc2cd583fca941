import type { DescField, DescMessage } from '@bufbuild/protobuf';
import type { Meaning, ReferenceKind, ResourceKind } from './meaning.ts';
import { MEANINGS } from './table.ts';

export interface ReferringField {
  readonly field: DescField;
  readonly to: ReferenceKind;
  /** Without it being set the field names nothing. */
  readonly onlyWith: DescField | undefined;
}

export interface DefiningField {
  readonly field: DescField;
  readonly of: ResourceKind;
}

interface NamingFields {
  readonly referring: readonly ReferringField[];
  readonly defining: DefiningField | undefined;
}

const known = new WeakMap<DescMessage, NamingFields>();

/** The fields of a message that name others. Messages have descriptors of their own, of which the table knows nothing: each is looked up once. */
export function referringFields(message: DescMessage): readonly ReferringField[] {
  return namingFields(message).referring;
}

/** The field that holds a resource's own name; undefined for what is no resource. */
export function definingField(message: DescMessage): DefiningField | undefined {
  return namingFields(message).defining;
}

function namingFields(message: DescMessage): NamingFields {
  let fields = known.get(message);
  if (!fields) {
    fields = lookUp(message);
    known.set(message, fields);
  }
  return fields;
}

function lookUp(message: DescMessage): NamingFields {
  const referring: ReferringField[] = [];
  let defining: DefiningField | undefined;
  for (const field of message.fields) {
    const meaning = MEANINGS.get(nameOf(field));
    if (meaning?.kind === 'reference') referring.push({ field, to: meaning.to, onlyWith: besideOf(field, meaning) });
    if (meaning?.kind === 'definition') defining = { field, of: meaning.of };
  }
  return { referring, defining };
}

function besideOf(field: DescField, { onlyWith }: Extract<Meaning, { kind: 'reference' }>): DescField | undefined {
  if (onlyWith === undefined) return undefined;
  const beside = field.parent.fields.find(({ name }) => name === onlyWith);
  if (!beside) throw new Error(`${field.parent.typeName} has no field ${onlyWith}`);
  return beside;
}

/** As the table has it. */
function nameOf(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}
