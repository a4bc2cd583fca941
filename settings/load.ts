import { readFile } from 'node:fs/promises';
import { loadAll, YAMLException } from 'js-yaml';
import type { z } from 'zod';
import { type Path, type Place, placeAt, placesOf } from './places.ts';
import { DEFAULT_SETTINGS, type Settings, settingsSchema } from './settings.ts';

/** Something wrong in a settings file. */
export interface SettingsProblem extends Place {
  readonly file: string;
  /** The field, as in `http.accessLog`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** Either settings, with every default filled in, or what is wrong; never both, since half a configuration is none. */
export type SettingsResult = { readonly settings: Settings } | { readonly problems: readonly SettingsProblem[] };

/** Reads `sluice.yaml`. A file that cannot be read is a problem like any other. Without a file: the defaults. */
export async function loadSettings(file: string | undefined): Promise<SettingsResult> {
  if (file === undefined) return { settings: DEFAULT_SETTINGS };
  try {
    return parseSettings(await readFile(file, 'utf8'), file);
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { problems: [{ file, line: 1, column: 1, path: '', message }] };
  }
}

/** @param file only for messages */
export function parseSettings(text: string, file: string): SettingsResult {
  let documents: readonly unknown[];
  try {
    documents = loadAll(text, { maxAliases: 0 });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const place = error.mark ? placeAt(text, error.mark.position) : { line: 1, column: 1 };
    return { problems: [{ file, ...place, path: '', message: `not YAML: ${error.reason}` }] };
  }
  if (documents.length > 1) return { problems: [{ file, line: 1, column: 1, path: '', message: 'has more than one YAML document' }] };
  const parsed = settingsSchema.safeParse(documents[0] ?? {});
  if (parsed.success) return { settings: parsed.data };
  const places = placesOf(text);
  const problems = parsed.error.issues.flatMap(findings).map(({ path, message }) => ({
    file,
    ...places.find(path),
    path: path.map(String).join('.'),
    message,
  }));
  return { problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
}

export function formatSettingsProblem({ file, line, column, path, message }: SettingsProblem): string {
  return `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}: ${message}`;
}

interface Finding {
  readonly path: Path;
  readonly message: string;
}

function findings(issue: z.core.$ZodIssue): Finding[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'no such setting' }));
    case 'invalid_union': {
      // Of several readings of a value, the one that got furthest is the one that was meant.
      const meant = issue.errors.find((branch) => branch.some((inner) => inner.path.length > 0));
      if (!meant) return [{ path: issue.path, message: issue.message }];
      return meant.flatMap(findings).map(({ path, message }) => ({ path: [...issue.path, ...path], message }));
    }
    default:
      return [{ path: issue.path, message: issue.message }];
  }
}
