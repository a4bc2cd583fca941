import { z } from 'zod';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** RFC 1123 subdomain, as most object names are. */
export const subdomain = z.string().max(253).regex(DNS_SUBDOMAIN, 'must be a lower case RFC 1123 subdomain');
/** RFC 1123 label, as namespaces are. */
export const label = z.string().max(63).regex(DNS_LABEL, 'must be a lower case RFC 1123 label');

export const portNumber = z.int().min(1).max(65535);

/** Kubernetes reads `null` as absent. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

/** An absent list and an empty one mean the same in every view that uses this. */
export function list<T extends z.ZodType>(item: T) {
  return z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
}

const stringMap = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});

/** The part of ObjectMeta that is read. `namespace` is `default` where a namespaced object leaves it out. */
const metadata = z.object({
  name: subdomain,
  namespace: optional(label),
  uid: optional(z.string()),
  creationTimestamp: optional(z.iso.datetime({ offset: true })),
  labels: stringMap,
  annotations: stringMap,
});

export const namespacedMetadata = metadata.transform((value) => ({ ...value, namespace: value.namespace ?? 'default' }));
export const clusterMetadata = metadata.transform((value) => ({ ...value, namespace: '' }));

export type Metadata = z.output<typeof namespacedMetadata>;
