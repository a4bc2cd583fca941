import { z } from 'zod';
import { clusterMetadata } from './metadata.ts';

/** The number that stands for a set of labels in the kernel of every node. The object's name is the number in decimal; neither ever changes. */
export const sluiceIdentityView = z.object({
  apiVersion: z.literal('sluice.io/v1alpha1'),
  kind: z.literal('SluiceIdentity'),
  metadata: clusterMetadata.extend({ name: z.string().regex(/^[1-9]\d{0,9}$/, 'must be a number') }),
  spec: z.object({ labels: z.array(z.string()).min(1) }),
});

export type SluiceIdentity = z.output<typeof sluiceIdentityView>;
