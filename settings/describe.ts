import { type JsonSchema, jsonSchema, settingsJsonSchema } from './json-schema.ts';

/** A setting as documentation shows it. */
export interface SettingsField {
  /** From the root: `['http', 'accessLog']`. */
  readonly path: readonly string[];
  /** What may stand there, in words or as the list of its values. */
  readonly type: string;
  /** Undefined where the default is absence; an empty object for a section that is there with its own defaults. */
  readonly default: unknown;
  readonly description: string;
  /** Whether the field stands inside something that is absent by default, or is one of several forms. */
  readonly dependent: boolean;
}

/** Every setting, in the order of the schema; a section stands before what is in it only where it is itself a choice. */
export function settingsFields(): readonly SettingsField[] {
  return fieldsOf(jsonSchema.parse(settingsJsonSchema()), [], false);
}

function fieldsOf(schema: JsonSchema, path: readonly string[], dependent: boolean): SettingsField[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const inner = [...path, name];
    if (field.properties && 'default' in field) return fieldsOf(field, inner, dependent);
    const forms = field.oneOf ?? field.anyOf ?? [field];
    const self: SettingsField = {
      path: inner,
      type: typeOf(field),
      default: field.default ?? forms.find((form) => 'default' in form)?.default,
      description: field.description ?? '',
      dependent,
    };
    const sections = forms.filter((form) => form.properties);
    return [self, ...sections.flatMap((form) => fieldsOf(withoutTag(form), inner, dependent || !('default' in form)))];
  });
}

/** The field that tells the forms of a section apart is documented with the section. */
function withoutTag(form: JsonSchema): JsonSchema {
  const properties = Object.entries(form.properties ?? {}).filter(([, field]) => field.const === undefined);
  return { ...form, properties: Object.fromEntries(properties) };
}

function typeOf(field: JsonSchema): string {
  if (field.title) return field.title;
  if (field.enum) return field.enum.join(', ');
  const forms = field.oneOf ?? field.anyOf;
  if (forms) return [...new Set(forms.map(formOf))].join(' or ');
  if (field.type === 'array') return `list of ${field.items?.type ?? 'values'}s`;
  if (field.type === 'integer' || field.type === 'number') return rangeOf(field);
  if (field.properties) return 'section';
  return field.type ?? 'value';
}

function formOf(form: JsonSchema): string {
  if (form.const !== undefined) return String(form.const);
  const tag = Object.entries(form.properties ?? {}).find(([, field]) => field.const !== undefined);
  return tag ? `${tag[0]}: ${tag[1].const}` : 'section';
}

function rangeOf({ type = 'integer', minimum, maximum }: JsonSchema): string {
  if (minimum === undefined) return type;
  return maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? `${type} from ${minimum}` : `${type}, ${minimum} to ${maximum}`;
}
