import { isDeepStrictEqual } from 'node:util';
import type { Collection, Graph } from '../../collection/index.ts';
import type { Placement } from '../../ingress-controller/index.ts';
import type { ObjectBatch, SluiceSettings } from '../../kube/index.ts';
import { brokenRules, FILE_SECTIONS, fileSections, overlaySettings, type Settings, type SettingsFinding } from '../../settings/index.ts';
import { type Inputs, NOW } from './inputs.ts';

/** The only name that means anything; the API server refuses others, a folder does not. */
const NAME = 'default';

/** What was made of an object of settings. */
export interface SettingsVerdict {
  readonly object: SluiceSettings;
  /** What is wrong with it; empty where it is in force. */
  readonly findings: readonly SettingsFinding[];
  /** Fields, as in `envoy.logLevel`, that it asks for and that are taken from the settings file only, at a start. */
  readonly needsRestart: readonly string[];
  readonly at: Date;
}

/**
 * Which settings count: the file's, under those of the object. An object that is wrong leaves those in force that it had before, or those
 * of the file where it had none.
 */
export class SettingsInForce {
  readonly #file: Settings;
  #lastGood: { readonly uid: string | undefined; readonly settings: Settings } | undefined;

  constructor(file: Settings) {
    this.#file = file;
  }

  get current(): Settings {
    return this.#lastGood?.settings ?? this.#file;
  }

  /** Takes in what the object is now, or that there is none. */
  take(inputs: Pick<Inputs, 'settings' | 'verdicts'>, object: SluiceSettings | undefined, at: Date): void {
    if (object?.metadata.uid !== this.#lastGood?.uid) this.#lastGood = undefined;
    if (object) inputs.verdicts.set(NAME, { object, at, ...this.#judge(object) });
    else {
      this.#lastGood = undefined;
      inputs.verdicts.delete(NAME);
    }
    inputs.settings.set(NOW, this.current);
  }

  #judge({ metadata: { uid }, spec }: SluiceSettings): Pick<SettingsVerdict, 'findings' | 'needsRestart'> {
    const result = overlaySettings(this.#file, spec);
    if ('findings' in result) return { findings: result.findings, needsRestart: [] };
    const settings = { ...result.settings, ...fileSections(this.#file) };
    const findings = brokenRules(settings);
    if (findings.length > 0) return { findings, needsRestart: [] };
    this.#lastGood = { uid, settings };
    const needsRestart = FILE_SECTIONS.flatMap((section) => differingFields(section, result.settings[section], this.#file[section]));
    return { findings: [], needsRestart };
  }
}

function differingFields(section: string, asked: object, present: object): string[] {
  const names = [...new Set([...Object.keys(asked), ...Object.keys(present)])].sort();
  return names
    .filter((name) => !isDeepStrictEqual(Reflect.get(asked, name), Reflect.get(present, name)))
    .map((name) => `${section}.${name}`);
}

/** Takes in what a batch says of settings objects. */
export function takeSettings(
  inputs: Pick<Inputs, 'settings' | 'verdicts'>,
  inForce: SettingsInForce,
  { upserts, removals }: Pick<ObjectBatch, 'upserts' | 'removals'>,
  at: Date,
): void {
  for (const { kind, name } of removals) {
    if (kind !== 'SluiceSettings') continue;
    if (name === NAME) inForce.take(inputs, undefined, at);
    else inputs.verdicts.delete(name);
  }
  for (const object of upserts) {
    if (object.kind !== 'SluiceSettings') continue;
    if (object.metadata.name === NAME) inForce.take(inputs, object, at);
    else inputs.verdicts.set(object.metadata.name, { object, at, findings: [MISNAMED], needsRestart: [] });
  }
}

const MISNAMED: SettingsFinding = { path: [], message: `has no effect: only an object named ${NAME} is read` };

/** Parts of the settings in force, each at the key {@link NOW}, so that a change reaches only who reads that part. */
export interface SettingsStages {
  readonly ofIngresses: Collection<Pick<Settings, 'ingress' | 'upstream' | 'envoy'>>;
  readonly ingress: Collection<Settings['ingress']>;
  readonly upstream: Collection<Settings['upstream']>;
  readonly http: Collection<Settings['http']>;
  readonly placement: Collection<Placement>;
}

export function buildSettings(
  graph: Graph,
  inputs: Pick<Inputs, 'settings'>,
  placementOf: (ingress: Settings['ingress']) => Placement,
): SettingsStages {
  const ingress = graph.derive('settings of ingresses', inputs.settings, (settings) => settings.ingress);
  return {
    ofIngresses: graph.derive('settings of claims', inputs.settings, ({ ingress, upstream, envoy }) => ({ ingress, upstream, envoy })),
    ingress,
    upstream: graph.derive('settings of upstreams', inputs.settings, (settings) => settings.upstream),
    http: graph.derive('settings of listeners', inputs.settings, (settings) => settings.http),
    placement: graph.derive('placement', ingress, placementOf),
  };
}
