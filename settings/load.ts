import { readFile } from 'node:fs/promises';
import { loadAll, YAMLException } from 'js-yaml';
import type { z } from 'zod';
import { LineIndex, type YamlPath, YamlPlaces } from '../yaml/index.ts';
import { brokenRules } from './rules.ts';
import { DEFAULT_SETTINGS, type Settings, settingsSchema } from './settings.ts';

/** Something wrong in a settings file. */
export interface SettingsProblem {
  readonly file: string;
  /** Counts from 1, as does the column. */
  readonly line: number;
  readonly column: number;
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
    const place = error.mark ? new LineIndex(text).placeOf(error.mark.position) : { line: 1, column: 1 };
    return { problems: [{ file, ...place, path: '', message: `not YAML: ${error.reason}` }] };
  }
  if (documents.length > 1) return { problems: [{ file, line: 1, column: 1, path: '', message: 'has more than one YAML document' }] };
  const parsed = settingsSchema.safeParse(documents[0] ?? {});
  const found = parsed.success ? brokenRules(parsed.data) : settingsFindings(parsed.error);
  if (parsed.success && found.length === 0) return { settings: parsed.data };
  const places = new YamlPlaces(text);
  const lines = new LineIndex(text);
  const problems = found.map(({ path, message }) => ({
    file,
    ...lines.placeOf(places.offsetOf(path)),
    path: path.map(String).join('.'),
    message,
  }));
  return { problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
}

export function formatSettingsProblem({ file, line, column, path, message }: SettingsProblem): string {
  return `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}: ${message}`;
}

/** Something wrong in settings, wherever they stand. */
export interface SettingsFinding {
  readonly path: YamlPath;
  readonly message: string;
}

/** What a value that does not fit the schema has wrong. */
export function settingsFindings(error: z.ZodError): readonly SettingsFinding[] {
  return error.issues.flatMap(findings);
}

function findings(issue: z.core.$ZodIssue): SettingsFinding[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...pathOf(issue), key], message: 'no such setting' }));
    case 'invalid_union': {
      // Of several readings of a value, the one that got furthest is the one that was meant.
      const meant = issue.errors.find((branch) => branch.some((inner) => inner.path.length > 0));
      if (!meant) return [{ path: pathOf(issue), message: issue.message }];
      return meant.flatMap(findings).map(({ path, message }) => ({ path: [...pathOf(issue), ...path], message }));
    }
    default:
      return [{ path: pathOf(issue), message: issue.message }];
  }
}

function pathOf({ path }: z.core.$ZodIssue): YamlPath {
  return path.map((part) => (typeof part === 'number' ? part : String(part)));
}
