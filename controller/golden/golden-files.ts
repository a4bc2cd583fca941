import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is wrong with the golden files of a case, not with the program that is tested. */
export class GoldenError extends Error {
  readonly code: 'update-refused';

  constructor(code: GoldenError['code'], message: string) {
    super(message);
    this.name = 'GoldenError';
    this.code = code;
  }
}

/**
 * Whether golden files are to be rewritten: `UPDATE_GOLDEN=1`.
 * @throws GoldenError `update-refused` where `CI` is set, since a run that agrees with itself proves nothing
 */
export function readUpdate(environment: Readonly<Record<string, string | undefined>>): boolean {
  const update = environment['UPDATE_GOLDEN'] ?? '';
  if (update === '' || update === '0') return false;
  if ((environment['CI'] ?? '') !== '') throw new GoldenError('update-refused', 'UPDATE_GOLDEN is refused where CI is set');
  return true;
}

/** The golden files of a folder by name. */
export function readGolden(folder: string, inputs: ReadonlySet<string>): ReadonlyMap<string, string> {
  const names = readdirSync(folder).filter((name) => !inputs.has(name));
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

/** Makes the golden files of a folder these, and removes all others. */
export function writeGolden(folder: string, inputs: ReadonlySet<string>, outputs: ReadonlyMap<string, string>): void {
  for (const name of readGolden(folder, inputs).keys()) if (!outputs.has(name)) rmSync(join(folder, name));
  for (const [name, text] of outputs) writeFileSync(join(folder, name), text);
}
