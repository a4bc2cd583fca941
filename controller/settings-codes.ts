import type { Diagnostic, DiagnosticCodeEntry, FieldPath, ObjectRef } from '../model/index.ts';

/** What can be wrong with a SluiceSettings object, as docs/diagnostics.md has it; a test holds the two together. */
export const SETTINGS_CODES = {
  SettingsRefused: {
    severity: 'error',
    meaning: 'A settings object is wrong. None of it is in force: what it said before stays, or the settings file where it said nothing.',
  },
  SettingsNeedRestart: {
    severity: 'warning',
    meaning:
      'A settings object asks for something that agents take from the settings file alone, when they start. The rest of it is in force.',
  },
} as const satisfies Record<string, DiagnosticCodeEntry>;

export function settingsRefused(object: ObjectRef, path: FieldPath, message: string): Diagnostic {
  return { severity: SETTINGS_CODES.SettingsRefused.severity, code: 'SettingsRefused', message, object, path };
}

export function settingsNeedRestart(object: ObjectRef, path: FieldPath): Diagnostic {
  const message = 'is taken from the settings file alone, when an agent starts';
  return { severity: SETTINGS_CODES.SettingsNeedRestart.severity, code: 'SettingsNeedRestart', message, object, path };
}
