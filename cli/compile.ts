import type { ConfigTrying } from '../controller/controller.ts';
import { DryRun } from '../controller/dry-run/dry-run.ts';
import type { ConfigTrial } from '../controller/pipeline/envoy-configs-in-force.ts';
import { Pipeline } from '../controller/pipeline/pipeline.ts';
import type { KubeObject } from '../kube/index.ts';
import type { Diagnostic } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import { configTrying } from './config-trying.ts';
import { envoyBinary } from './envoy-binary.ts';
import { requireManifests } from './manifests.ts';
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
  /** Whether an Envoy is to try configs, where there is one. Default: false. */
  readonly triesConfigs?: boolean;
}

export interface Compiled {
  readonly pipeline: Pipeline;
  /** All that were read. */
  readonly objects: readonly KubeObject[];
  readonly settings: Settings;
  /** All that is wrong, with places, sorted by them. */
  readonly diagnostics: readonly Diagnostic[];
  readonly locate: Locate;
}

/**
 * Reads manifests once and makes of them what `sluice run` would serve.
 * @throws CliError `usage` for settings that are wrong or paths that cannot be read
 */
export async function compileManifests({ paths, config, httpPort, httpsPort, triesConfigs }: CompileOptions): Promise<Compiled> {
  const settings = await requireSettings(config);
  const read = await requireManifests(paths);
  const trying = triesConfigs ? configTrying(settings, envoyBinary()) : undefined;
  const pipeline = emptyPipeline(settings, { httpPort, httpsPort, triesConfigs: trying !== undefined });
  pipeline.apply({ upserts: read.objects, removals: [] });
  if (trying) await tryConfigs(pipeline, trying);
  const locate: Locate = (object, path) => read.locate(object, path);
  const diagnostics = locateDiagnostics([...read.diagnostics, ...pipeline.diagnostics()], locate);
  return { pipeline, objects: read.objects, settings, diagnostics, locate };
}

/** What nobody can try is as if it were fine. */
async function tryConfigs(pipeline: Pipeline, trying: Omit<ConfigTrying, 'onUntried'>): Promise<void> {
  await using dryRun = new DryRun<ConfigTrial>({ ...trying, onConcluded: (concluded) => void pipeline.concludeTrials(concluded) });
  dryRun.take(pipeline.takeTrials());
  await dryRun.idle();
}

type EmptyPipelineOptions = Pick<CompileOptions, 'httpPort' | 'httpsPort' | 'triesConfigs'>;

/** What `sluice run` would serve of no objects. */
export function emptyPipeline(settings: Settings, { httpPort, httpsPort, triesConfigs = false }: EmptyPipelineOptions): Pipeline {
  const ports = { address: '127.0.0.1', http: httpPort, https: httpsPort, reserved: [DEFAULT_PORTS.admin] };
  return new Pipeline({ settings, ports, triesConfigs: () => triesConfigs, asOf: new Date() });
}
