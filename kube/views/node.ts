import { z } from 'zod';
import { clusterMetadata } from './metadata.ts';

/** Of Nodes their labels are read, and nothing else that changes. */
export const nodeView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Node'),
  metadata: clusterMetadata.extend({
    annotations: z
      .unknown()
      .optional()
      .transform((): Record<string, string> => ({})),
  }),
});

export type Node = z.output<typeof nodeView>;
