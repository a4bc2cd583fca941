export { FolderError, type FolderErrorCode } from './folder-error.ts';
export { FolderSource } from './folder-source.ts';
export type { FolderLimits, FolderOptions, FolderTiming } from './options.ts';
export { type ManifestRead, readManifests } from './read-manifests.ts';
