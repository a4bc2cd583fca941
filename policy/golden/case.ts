import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAll } from 'js-yaml';
import type { PlainObject } from '../oracle/objects.ts';

const ROOT = fileURLToPath(new URL('testdata', import.meta.url));
const INPUT = 'input.yaml';
/** Who says what to whom, and what becomes of it; one a line. */
const REQUESTS = 'requests.txt';

/** The files of a case that people write; all others in its folder are made from them. */
export const INPUTS: ReadonlySet<string> = new Set([INPUT, REQUESTS]);

/** One folder of the corpus. */
export interface GoldenCase {
  readonly name: string;
  readonly folder: string;
  readonly input: string;
  readonly requests: string;
}

/** Every case, by name. */
export function readCases(): readonly GoldenCase[] {
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => readCase(name, join(ROOT, name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readCase(name: string, folder: string): GoldenCase {
  const requests = join(folder, REQUESTS);
  return {
    name,
    folder,
    input: readFileSync(join(folder, INPUT), 'utf8'),
    requests: existsSync(requests) ? readFileSync(requests, 'utf8') : '',
  };
}

/** The objects of a case as they are written. */
export function objectsOf({ input }: Pick<GoldenCase, 'input'>): PlainObject[] {
  return loadAll(input).filter((object): object is PlainObject => typeof object === 'object' && object !== null);
}
