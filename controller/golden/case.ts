import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readManifests } from '../../kube/index.ts';
import { compareDiagnostics, type Diagnostic } from '../../model/index.ts';
import { DEFAULT_SETTINGS, formatSettingsProblem, parseSettings, type Settings } from '../../settings/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { locateDiagnostic } from '../locate.ts';
import { Pipeline } from '../pipeline/pipeline.ts';

const ROOT = fileURLToPath(new URL('testdata', import.meta.url));
const INPUT = 'input.yaml';
const SETTINGS = 'settings.yaml';
const PORTS = { address: '0.0.0.0', http: 80, https: 443, reserved: [9870] };
/** All certificates of the corpus are judged at this time. */
const AS_OF = new Date('2026-01-01T00:00:00Z');

/** The files of a case that people write; all others in its folder are made from them. */
export const INPUTS: ReadonlySet<string> = new Set([INPUT, SETTINGS]);

/** One folder of the corpus. */
export interface GoldenCase {
  readonly name: string;
  readonly folder: string;
  readonly input: string;
  readonly settings: Settings;
}

/** What comes of manifests, wherever they stand. */
export interface Outcome {
  readonly resources: readonly Resource[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Every case, by name. Wrong settings are a mistake in the corpus, so they throw. */
export function readCases(root = ROOT): readonly GoldenCase[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => readCase(name, join(root, name)));
}

function readCase(name: string, folder: string): GoldenCase {
  return { name, folder, input: readFileSync(join(folder, INPUT), 'utf8'), settings: readSettings(join(folder, SETTINGS)) };
}

function readSettings(file: string): Settings {
  if (!existsSync(file)) return DEFAULT_SETTINGS;
  const result = parseSettings(readFileSync(file, 'utf8'), file);
  if ('settings' in result) return result.settings;
  throw new Error(result.problems.map(formatSettingsProblem).join('\n'));
}

/** The input as it stands in its folder. */
export function compileCase({ folder, settings }: GoldenCase): Promise<Outcome> {
  return compilePaths([join(folder, INPUT)], settings);
}

/** @param paths files and folders of manifests */
export async function compilePaths(paths: readonly string[], settings: Settings): Promise<Outcome> {
  const read = await readManifests(paths);
  const pipeline = new Pipeline({ settings, ports: PORTS, asOf: AS_OF });
  pipeline.apply({ upserts: read.objects, removals: [] });
  const diagnostics = [...read.diagnostics, ...pipeline.diagnostics()].map((diagnostic) => locateDiagnostic(diagnostic, read));
  return { resources: pipeline.resources(), diagnostics: diagnostics.sort(compareDiagnostics) };
}
