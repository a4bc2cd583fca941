import { z } from 'zod';
import { clusterMetadata } from './metadata.ts';

/** Of Namespaces their labels are read. */
export const namespaceView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Namespace'),
  metadata: clusterMetadata.extend({
    annotations: z
      .unknown()
      .optional()
      .transform((): Record<string, string> => ({})),
  }),
});

export type Namespace = z.output<typeof namespaceView>;
