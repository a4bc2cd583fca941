import { isDeepStrictEqual } from 'node:util';
import { type Action, mergeConditions, refOf, type WantedCondition } from '../../kube/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import { settingsNeedRestart, settingsRefused } from '../settings-codes.ts';
import type { SettingsVerdict } from './settings-in-force.ts';

/** The longest message that `metav1.Condition` allows, and a little less. */
const MAX_MESSAGE = 32_000;

/** What users are told of a settings object, where it is wrong. */
export function diagnoseSettings({ object, findings, needsRestart }: SettingsVerdict): readonly Diagnostic[] {
  const ref = refOf(object);
  const restart = needsRestart.map((field) => settingsNeedRestart(ref, ['spec', ...field.split('.')]));
  return [...findings.map(({ path, message }) => settingsRefused(ref, ['spec', ...path], message)), ...restart];
}

/** The conditions of a settings object, unless it has them; undefined too for one of a file. */
export function settingsStatus(verdict: SettingsVerdict): Action | undefined {
  const { object, at } = verdict;
  const { uid, name } = object.metadata;
  const present = object.status?.conditions ?? [];
  const conditions = mergeConditions(present, wantedConditions(verdict), at);
  // Of conditions of others nothing is said.
  const own = present.filter(({ type }) => conditions.some((condition) => condition.type === type));
  if (uid === undefined || isDeepStrictEqual(byType(own), byType(conditions))) return undefined;
  const manifest = { apiVersion: object.apiVersion, kind: object.kind, metadata: { name }, status: { conditions } };
  return { kind: 'status', ref: refOf(object), manifest, uid };
}

function byType<T extends { readonly type: string }>(conditions: readonly T[]): readonly T[] {
  return conditions.toSorted((a, b) => (a.type < b.type ? -1 : 1));
}

function wantedConditions({ object, findings, needsRestart }: SettingsVerdict): readonly WantedCondition[] {
  const { generation } = object.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const condition = (type: string, status: 'True' | 'False', reason: string, message: string): WantedCondition => ({
    type,
    status,
    reason,
    message: message.slice(0, MAX_MESSAGE),
    ...observed,
  });
  if (findings.length > 0) {
    const told = findings.map(({ path, message }) => `${['spec', ...path].join('.')}: ${message}`).join('; ');
    return [
      condition('Accepted', 'False', 'Invalid', told),
      condition('Applied', 'False', 'NotAccepted', 'the settings that were in force before stay in force'),
    ];
  }
  const accepted = condition('Accepted', 'True', 'Accepted', 'the settings are valid');
  if (needsRestart.length === 0) return [accepted, condition('Applied', 'True', 'Applied', 'the settings are in force')];
  const fields = needsRestart.join(', ');
  const message = `all but ${fields} is in force: agents take that from the settings file (ConfigMap sluice-config) when they start`;
  return [accepted, condition('Applied', 'False', 'NeedsRestart', message)];
}
