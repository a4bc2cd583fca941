import { type JsonSchema, jsonSchema, settingsJsonSchema } from './json-schema.ts';
import { SETTINGS_RULES } from './rules.ts';

/** Beside what is checked by patterns: the API server refuses rules that could become expensive. */
const MAX_TEXT = 1_024;
const MAX_DURATION = 32;
const MAX_ITEMS = 64;
/** As `parseDuration` reads it, but for the length of time, which no pattern can say. */
const DURATION = String.raw`^(0|\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(h|m|s|ms|us|µs|μs|ns))+)$`;
const LABELS = { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/part-of': 'sluice' };

type Structural = Readonly<Record<string, unknown>>;

/**
 * The CustomResourceDefinition of SluiceSettings, made of the schema of settings. It holds no defaults, so that a new version of Sluice
 * can change them.
 * @see https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
export function settingsResourceDefinition(): Structural {
  const spec = {
    ...structural(jsonSchema.parse(settingsJsonSchema()), []),
    description: 'What is said here counts before the settings file.',
  };
  const schema = {
    type: 'object',
    description: 'The settings of Sluice in this cluster: docs/configuration.md.',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec,
      status: { type: 'object', properties: { conditions: CONDITIONS } },
    },
    'x-kubernetes-validations': [{ rule: "self.metadata.name == 'default'", message: 'there is one object of this kind, named default' }],
  };
  const version = {
    name: 'v1alpha1',
    served: true,
    storage: true,
    additionalPrinterColumns: COLUMNS,
    schema: { openAPIV3Schema: schema },
    subresources: { status: {} },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'sluicesettings.sluice.io', labels: LABELS },
    spec: {
      group: 'sluice.io',
      names: { kind: 'SluiceSettings', listKind: 'SluiceSettingsList', plural: 'sluicesettings', singular: 'sluicesettings' },
      scope: 'Cluster',
      versions: [version],
    },
  };
}

function column(type: string): Structural {
  return { name: type, type: 'string', jsonPath: `.status.conditions[?(@.type=="${type}")].status` };
}

const COLUMNS = [
  column('Accepted'),
  column('Applied'),
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Applied")].reason' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** `metav1.Condition`. @see https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#condition-v1-meta */
const CONDITIONS = {
  type: 'array',
  maxItems: 8,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
  items: {
    type: 'object',
    required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
    properties: {
      type: { type: 'string', maxLength: 316 },
      status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
      observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
      lastTransitionTime: { type: 'string', format: 'date-time' },
      reason: { type: 'string', minLength: 1, maxLength: 1_024 },
      message: { type: 'string', maxLength: 32_768 },
    },
  },
};

function structural(field: JsonSchema, path: readonly string[]): Structural {
  const forms = field.anyOf ?? field.oneOf;
  if (forms) return formsOf(field, forms, path);
  const described = field.description === undefined ? {} : { description: field.description };
  if (field.title === 'duration') return { ...described, ...DURATION_SCHEMA };
  if (field.properties) return { ...described, ...section(field, field.properties, path) };
  switch (field.type) {
    case 'object':
      return {
        ...described,
        type: 'object',
        maxProperties: MAX_ITEMS,
        additionalProperties: structural(valuesOf(field), path),
      };
    case 'array':
      return { ...described, type: 'array', maxItems: MAX_ITEMS, ...kept(field, 'minItems'), items: structural(field.items ?? {}, path) };
    case 'integer':
      return { ...described, type: 'integer', format: 'int64', ...kept(field, 'minimum'), ...maximum(field) };
    case 'number':
      return { ...described, type: 'number', ...kept(field, 'minimum'), ...maximum(field) };
    case 'boolean':
      return { ...described, type: 'boolean' };
    case 'string':
      if (field.enum) return { ...described, type: 'string', enum: field.enum };
      return { ...described, type: 'string', maxLength: MAX_TEXT, ...kept(field, 'minLength'), ...kept(field, 'pattern') };
    default:
      throw new TypeError(`${path.join('.')}: a custom resource cannot hold ${JSON.stringify(field)}`);
  }
}

function valuesOf({ additionalProperties }: JsonSchema): JsonSchema {
  return typeof additionalProperties === 'object' ? additionalProperties : {};
}

const DURATION_SCHEMA = { type: 'string', maxLength: MAX_DURATION, pattern: DURATION };

function section(field: JsonSchema, properties: Readonly<Record<string, JsonSchema>>, path: readonly string[]): Structural {
  const entries = Object.entries(properties).map(([name, inner]) => [name, structural(inner, [...path, name])]);
  const rules = SETTINGS_RULES.filter((rule) => rule.section.join('.') === path.join('.')).map((rule) => ({
    rule: rule.cel,
    message: rule.message,
    fieldPath: `.${rule.field}`,
  }));
  return {
    type: 'object',
    ...kept(field, 'required'),
    properties: Object.fromEntries(entries),
    ...(rules.length > 0 && { 'x-kubernetes-validations': rules }),
  };
}

/** A structural schema knows one type a field: of several forms the sections are put together, and rules say which fields go with which. */
function formsOf(field: JsonSchema, forms: readonly JsonSchema[], path: readonly string[]): Structural {
  const sections = forms.flatMap((form) => (form.properties ? [form.properties] : []));
  const described = field.description === undefined ? {} : { description: field.description };
  const [only, ...others] = sections;
  if (only && others.length === 0) return { ...described, ...section({}, only, path) };
  const tag = Object.entries(only ?? {}).find(([, inner]) => inner.const !== undefined)?.[0] ?? '';
  const kinds = sections.map((properties) => String(properties[tag]?.const));
  const rules = sections.flatMap((properties, index) =>
    Object.keys(properties)
      .filter((name) => name !== tag)
      .map((name) => ({
        rule: `self.${tag} == '${kinds[index]}' || !has(self.${name})`,
        message: `goes with ${tag} ${kinds[index]} only`,
        fieldPath: `.${name}`,
      })),
  );
  const merged = sections.flatMap((properties) => Object.entries(properties).filter(([name]) => name !== tag));
  return {
    ...described,
    type: 'object',
    required: [tag],
    properties: {
      [tag]: { type: 'string', enum: kinds },
      ...Object.fromEntries(merged.map(([name, inner]) => [name, structural(inner, [...path, name])])),
    },
    'x-kubernetes-validations': rules,
  };
}

function kept(field: JsonSchema, name: 'minimum' | 'minLength' | 'minItems' | 'pattern' | 'required'): Structural {
  const value = field[name];
  return value === undefined ? {} : { [name]: value };
}

function maximum({ maximum: value }: JsonSchema): Structural {
  return value === undefined || value === Number.MAX_SAFE_INTEGER ? {} : { maximum: value };
}
