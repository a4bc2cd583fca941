export { originalDestinationCluster } from './names.ts';
export type { SlotOptions } from './options.ts';
export type { SecretRef, SecretValue } from './secrets.ts';
export { type SteeringClusterOptions, translateSteeringClusters } from './steering-clusters.ts';
export { type TranslatedSlot, translateSlot } from './translate-slot.ts';
