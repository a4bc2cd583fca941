import { z } from 'zod';
import { clusterMetadata, list } from './metadata.ts';

/** @see https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#condition-v1-meta */
export const condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().optional(),
  lastTransitionTime: z.string(),
  reason: z.string(),
  message: z.string(),
});

/**
 * Settings of the cluster as an object. What may stand in `spec` is judged by whoever takes it into force, so that a wrong one has a
 * status that says so.
 */
export const sluiceSettingsView = z.object({
  apiVersion: z.literal('sluice.io/v1alpha1'),
  kind: z.literal('SluiceSettings'),
  metadata: clusterMetadata.extend({ generation: z.int().optional() }),
  spec: z.record(z.string(), z.unknown()).default({}),
  status: z.object({ conditions: list(condition) }).optional(),
});

export type Condition = Readonly<z.output<typeof condition>>;
export type SluiceSettings = z.output<typeof sluiceSettingsView>;
