export { originalDestinationCluster } from './names.ts';
export type { SlotOptions } from './options.ts';
export { isSecretOfSlot, type SecretRef, type SecretValue } from './secrets.ts';
export { type SteeringClusterOptions, translateSteeringClusters } from './steering-clusters.ts';
export { type TranslatedSlot, translateSlot } from './translate-slot.ts';
