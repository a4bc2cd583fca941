/** Names one Kubernetes object. `namespace` is empty for cluster-scoped kinds. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** A field inside an object, from its root: `['spec', 'rules', 0, 'host']`. */
export type FieldPath = readonly (string | number)[];

/** The object, and the field in it, that a part of the model came from. */
export interface FieldRef {
  readonly object: ObjectRef;
  readonly path: FieldPath;
}

/** A place in a file; line and column count from 1. */
export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A map key that is unique over all objects: `Ingress/default/web`; cluster-scoped objects have an empty middle part. */
export function objectKey(ref: ObjectRef): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`;
}

const PLAIN_FIELD = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/**
 * Writes a path the way the Kubernetes API server does in its errors:
 * `spec.rules[0].host`, `metadata.annotations["ingress.cilium.io/request-timeout"]`.
 */
export function formatPath(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!PLAIN_FIELD.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** `Ingress default/web`, `IngressClass cilium`. */
export function formatObject({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

/** `Ingress default/web spec.rules[0]`. */
export function formatField({ object, path }: FieldRef): string {
  return path.length === 0 ? formatObject(object) : `${formatObject(object)} ${formatPath(path)}`;
}
