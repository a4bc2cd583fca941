import { FolderError, type ManifestRead, readManifests } from '../kube/index.ts';
import { CliError } from './cli-error.ts';

/**
 * Reads manifests once.
 * @param paths files, and folders that are read with all that is in them
 * @throws CliError `usage` for paths that cannot be read
 */
export async function requireManifests(paths: readonly string[]): Promise<ManifestRead> {
  try {
    return await readManifests(paths);
  } catch (error) {
    if (error instanceof FolderError) throw new CliError('usage', error.message, { cause: error });
    throw error;
  }
}
