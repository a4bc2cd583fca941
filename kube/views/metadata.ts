import { z } from 'zod';

const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** RFC 1123 subdomain, as most object names are. */
export const subdomain = z.string().max(253).regex(DNS_SUBDOMAIN, 'must be a lower case RFC 1123 subdomain');
/** RFC 1123 label, as namespaces are. */
export const label = z.string().max(63).regex(DNS_LABEL, 'must be a lower case RFC 1123 label');

export const portNumber = z.int().min(1).max(65535);

/** An absent list and an empty one mean the same in every view that uses this. */
export function list<T extends z.ZodType>(item: T) {
  return z.array(item).default([]);
}

/** A string for which Kubernetes knows no difference between empty and absent; it is undefined where it is empty. */
export const text = z
  .string()
  .optional()
  .transform((value) => value || undefined);

const stringMap = z.record(z.string(), z.string()).default({});

const NO_ANNOTATIONS: Readonly<Record<string, string>> = {};

/** Of objects of which there are many: these annotations, and none of the others. */
export function annotationsOf(...names: readonly string[]) {
  return z
    .record(z.string(), z.unknown())
    .catch({})
    .transform((all, { issues }): Readonly<Record<string, string>> => {
      const found: [string, string][] = [];
      for (const name of names) {
        const { [name]: value } = all;
        if (typeof value === 'string') found.push([name, value]);
        else if (value !== undefined) issues.push({ code: 'invalid_type', expected: 'string', input: value, path: [name] });
      }
      return found.length > 0 ? Object.fromEntries(found) : NO_ANNOTATIONS;
    });
}

const timestamp = z.iso.datetime({ offset: true, error: 'must be a time as RFC 3339 writes it' });

/** The part of ObjectMeta that is read. */
const metadata = z.object({
  name: subdomain,
  uid: z.string().optional(),
  creationTimestamp: timestamp.optional(),
  /** Since when the object is going away; it stays until its finalizers have run. */
  deletionTimestamp: timestamp.optional(),
  labels: stringMap,
  annotations: stringMap,
});

/** `namespace` is `default` where it is left out or empty. */
export const namespacedMetadata = metadata.extend({
  namespace: z
    .string()
    .optional()
    .transform((value) => value || 'default')
    .pipe(label),
});

const ownerReference = z.object({ kind: z.string(), name: z.string(), uid: z.string(), controller: z.boolean().optional() });

/** Who controls an object, if that is an Ingress; no other owner means anything to us. */
export interface Controller {
  readonly name: string;
  readonly uid: string;
}

/** On what Cilium makes for an Ingress. */
const CILIUM_LABEL = 'cilium.io/ingress';

/**
 * Of objects that may belong to an Ingress. What older versions of Cilium made has an Ingress as its only owner, and nothing says that it
 * controls the object; with Cilium's label it counts as if it did.
 */
export const ownedMetadata = namespacedMetadata
  .extend({ ownerReferences: z.array(ownerReference).optional() })
  .transform(({ ownerReferences, ...rest }): z.output<typeof namespacedMetadata> & { readonly controller?: Controller } => {
    const [only, ...others] = ownerReferences ?? [];
    const isCiliums = only?.kind === 'Ingress' && others.length === 0 && rest.labels[CILIUM_LABEL] === 'true';
    const owner = isCiliums ? only : ownerReferences?.find(({ kind, controller }) => kind === 'Ingress' && controller === true);
    return owner ? { ...rest, controller: { name: owner.name, uid: owner.uid } } : rest;
  });

/** Whatever namespace a cluster-scoped object names, it has none. */
export const clusterMetadata = metadata.extend({
  namespace: z
    .unknown()
    .optional()
    .transform(() => ''),
});

export type Metadata = z.output<typeof namespacedMetadata>;
