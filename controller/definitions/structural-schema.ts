/** A schema that the API server takes: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema */
export type Structural = Readonly<Record<string, unknown>>;

type Fields = Readonly<Record<string, Structural>>;

/**
 * A mapping of which all is kept, also what is not known here: a field that the API server would prune may be one that narrows what a rule
 * allows. Who enforces the object refuses what it does not know.
 */
export function mapping(properties: Fields, more: Structural = {}): Structural {
  return { type: 'object', properties, 'x-kubernetes-preserve-unknown-fields': true, ...more };
}

export function listOf(items: Structural, more: Structural = {}): Structural {
  return { type: 'array', items, ...more };
}

/** Whatever stands there is kept; who enforces it judges it. */
export const ANYTHING: Structural = { 'x-kubernetes-preserve-unknown-fields': true };

/** Exactly one of these fields is there. */
export function oneOf(...fields: readonly string[]): Structural {
  return { oneOf: fields.map((field) => ({ required: [field] })) };
}
