import { Pipeline } from '../controller/pipeline/pipeline.ts';
import { FolderError, type ManifestRead, readManifests } from '../kube/index.ts';
import type { Diagnostic } from '../model/index.ts';
import { CliError } from './cli-error.ts';
import { DEFAULT_PORTS } from './options.ts';
import { requireSettings } from './settings.ts';
import { locateDiagnostics } from './text/diagnostics.ts';
import type { Locate } from './text/place.ts';

export interface CompileOptions {
  /** Files, and folders that are read with all that is in them. */
  readonly paths: readonly string[];
  /** The settings file; undefined for the defaults. */
  readonly config: string | undefined;
  readonly httpPort: number;
  readonly httpsPort: number;
}

export interface Compiled {
  readonly pipeline: Pipeline;
  /** How many objects were read. */
  readonly objects: number;
  /** All that is wrong, with places, sorted by them. */
  readonly diagnostics: readonly Diagnostic[];
  readonly locate: Locate;
}

/**
 * Reads manifests once and makes of them what `sluice run` would serve.
 * @throws CliError `usage` for settings that are wrong or paths that cannot be read
 */
export async function compileManifests({ paths, config, httpPort, httpsPort }: CompileOptions): Promise<Compiled> {
  const settings = await requireSettings(config);
  const read = await readPaths(paths);
  const ports = { address: '127.0.0.1', http: httpPort, https: httpsPort, reserved: [DEFAULT_PORTS.admin] };
  const pipeline = new Pipeline({ settings, ports, asOf: new Date() });
  pipeline.apply({ upserts: read.objects, removals: [] });
  const locate: Locate = (object, path) => read.locate(object, path);
  const diagnostics = locateDiagnostics([...read.diagnostics, ...pipeline.diagnostics()], locate);
  return { pipeline, objects: read.objects.length, diagnostics, locate };
}

async function readPaths(paths: readonly string[]): Promise<ManifestRead> {
  try {
    return await readManifests(paths);
  } catch (error) {
    if (error instanceof FolderError) throw new CliError('usage', error.message, { cause: error });
    throw error;
  }
}
