import type { Diagnostic, FieldPath, Location, ObjectRef } from '../../model/index.ts';
import type { KubeObject } from '../object.ts';
import { FolderReader } from './folder-reader.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMING, type FolderLimits } from './options.ts';

/** All that some files and folders hold at one moment. */
export interface ManifestRead {
  readonly objects: readonly KubeObject[];
  readonly diagnostics: readonly Diagnostic[];
  /** As `ObjectSource.locate`. */
  locate(object: ObjectRef, path: FieldPath): Location | undefined;
}

/**
 * Reads manifests once.
 * @param paths folders, read as {@link FolderSource} does, or single files of any name.
 * @throws `FolderError` where one of them does not exist or cannot be read.
 */
export async function readManifests(paths: readonly string[], limits: Partial<FolderLimits> = {}): Promise<ManifestRead> {
  const reader = new FolderReader(paths, { ...DEFAULT_LIMITS, ...limits }, DEFAULT_TIMING);
  await reader.readAll();
  const change = reader.holdings.takeChange(reader.diagnostics, true);
  return {
    objects: change?.upserts ?? [],
    diagnostics: change?.diagnostics ?? [],
    locate: (object, path) => reader.holdings.locate(object, path),
  };
}
