import { z } from 'zod';
import { clusterMetadata, namespacedMetadata } from './metadata.ts';

/**
 * Of policies nothing but the name is read: a label or an annotation that is wrong must not keep a policy from being seen, because what
 * is not seen denies nothing.
 */
const unread = z
  .unknown()
  .optional()
  .transform((): Record<string, string> => ({}));

const nothing = z
  .unknown()
  .optional()
  .transform(() => undefined);

const uid = z.string().optional().catch(undefined);

const names = { uid, labels: unread, annotations: unread, creationTimestamp: nothing, deletionTimestamp: nothing } as const;

export const policyMetadata = namespacedMetadata.extend(names);

export const clusterwidePolicyMetadata = clusterMetadata.extend(names);
