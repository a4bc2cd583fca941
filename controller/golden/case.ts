import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { clusterPlacement, type Placement, STANDALONE } from '../../ingress-controller/index.ts';
import { type Action, readManifests } from '../../kube/index.ts';
import { compareDiagnostics, type Diagnostic } from '../../model/index.ts';
import { DEFAULT_SETTINGS, formatSettingsProblem, parseSettings, type Settings } from '../../settings/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { locateDiagnostic } from '../locate.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import type { ListenerChange, NamedListener } from '../pipeline/taken-services.ts';

const ROOT = fileURLToPath(new URL('testdata', import.meta.url));
const INPUT = 'input.yaml';
const SETTINGS = 'settings.yaml';
/** Where Sluice runs in a cluster: `namespace: NAME`. */
const CLUSTER = 'cluster.yaml';
/** Where policies are enforced, so that Services are led to listeners: whatever is in it. */
const ENFORCED = 'enforced.yaml';
const MARKS = { ingressMarks: { client: 0xd00, server: 0xe00 }, clientMark: 0xd02 };
const PORTS = { address: '0.0.0.0', http: 80, https: 443, reserved: [9870] };
/** All certificates of the corpus are judged at this time. */
const AS_OF = new Date('2026-01-01T00:00:00Z');

/** The files of a case that people write; all others in its folder are made from them. */
export const INPUTS: ReadonlySet<string> = new Set([INPUT, SETTINGS, CLUSTER, ENFORCED]);

/** One folder of the corpus. */
export interface GoldenCase {
  readonly name: string;
  readonly folder: string;
  readonly input: string;
  readonly settings: Settings;
  readonly placement: Placement;
  readonly isEnforced: boolean;
}

/** A listener as nodes are told of it. */
export interface LedListener extends NamedListener {
  /** `namespace/name:port` */
  readonly takes: readonly string[];
}

/** What comes of manifests, wherever they stand. */
export interface Outcome {
  readonly resources: readonly Resource[];
  /** That Services are led to, by their slots, with the ports that they have. */
  readonly listeners: readonly LedListener[];
  readonly diagnostics: readonly Diagnostic[];
  /** By key. */
  readonly actions: readonly (readonly [string, Action])[];
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
  const settings = readSettings(join(folder, SETTINGS));
  const placement = readPlacement(join(folder, CLUSTER), settings);
  const isEnforced = existsSync(join(folder, ENFORCED));
  return { name, folder, input: readFileSync(join(folder, INPUT), 'utf8'), settings, placement, isEnforced };
}

function readPlacement(file: string, { ingress }: Settings): Placement {
  if (!existsSync(file)) return STANDALONE;
  const content = load(readFileSync(file, 'utf8'));
  const namespace: unknown = typeof content === 'object' && content !== null ? Reflect.get(content, 'namespace') : undefined;
  if (typeof namespace !== 'string') throw new Error(`${file} names no namespace`);
  return clusterPlacement(ingress, namespace);
}

function readSettings(file: string): Settings {
  if (!existsSync(file)) return DEFAULT_SETTINGS;
  const result = parseSettings(readFileSync(file, 'utf8'), file);
  if ('settings' in result) return result.settings;
  throw new Error(result.problems.map(formatSettingsProblem).join('\n'));
}

/** The input as it stands in its folder. */
export function compileCase({ folder, ...golden }: GoldenCase): Promise<Outcome> {
  return compilePaths([join(folder, INPUT)], golden);
}

/** @param paths files and folders of manifests */
export async function compilePaths(
  paths: readonly string[],
  { settings, placement, isEnforced }: Pick<GoldenCase, 'settings' | 'placement' | 'isEnforced'>,
): Promise<Outcome> {
  const read = await readManifests(paths);
  const pipeline = new Pipeline({ settings, ports: PORTS, placement, asOf: AS_OF, ...(isEnforced && MARKS) });
  pipeline.apply({ upserts: read.objects, removals: [] });
  const diagnostics = [...read.diagnostics, ...pipeline.diagnostics()].map((diagnostic) => locateDiagnostic(diagnostic, read));
  const actions = [...pipeline.model.actions.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    resources: pipeline.resources(),
    listeners: ledListeners(pipeline.takeListeners()),
    diagnostics: diagnostics.sort(compareDiagnostics),
    actions,
  };
}

function ledListeners({ listeners, services }: ListenerChange): readonly LedListener[] {
  const takenBy = (slot: string) =>
    services.flatMap(({ name, takers }) => takers.flatMap(([port, taker]) => (taker === slot ? [`${name}:${port}`] : [])));
  return listeners
    .map((named) => ({ ...named, takes: takenBy(named.slot).sort() }))
    .sort((a, b) => (a.listener.name < b.listener.name ? -1 : 1));
}
