import { z } from 'zod';
import { AUDIT_ANNOTATION, VISIBILITY_ANNOTATION } from './handling-annotations.ts';
import { annotationsOf, clusterMetadata } from './metadata.ts';

/** Of Namespaces their labels are read, and what they say of how policy treats their pods. */
export const namespaceView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Namespace'),
  metadata: clusterMetadata.extend({
    annotations: annotationsOf(AUDIT_ANNOTATION, VISIBILITY_ANNOTATION),
  }),
});

export type Namespace = z.output<typeof namespaceView>;
