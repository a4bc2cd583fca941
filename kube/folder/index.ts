export { FolderError, type FolderErrorCode } from './folder-error.ts';
export { FolderSource } from './folder-source.ts';
export { DEFAULT_LIMITS, DEFAULT_TIMING, type FolderOptions, type Limits, type Timing } from './options.ts';
export { type ManifestRead, readManifests } from './read-manifests.ts';
