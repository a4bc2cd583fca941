import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type GoProgram, goBinary } from '../lab/go-program.ts';

const MODULE = fileURLToPath(new URL('program/', import.meta.url));

const CYCLONUS: GoProgram = {
  name: 'cyclonus',
  module: MODULE,
  package: '.',
  ldflags: '-s -w',
  about: 'building cyclonus; the first time takes minutes',
};

/**
 * The binary of cyclonus, cached as the lab's.
 * @param report is told when a build begins
 * @returns its path
 * @throws LabError `no-go`, `build-failed`
 */
export async function cyclonusBinary(report: (what: string) => void): Promise<string> {
  return await goBinary(CYCLONUS, report);
}

/** The version that the module pins. */
export function cyclonusVersion(): string {
  const version = /github\.com\/mattfenwick\/cyclonus (v\S+)/.exec(readFileSync(`${MODULE}/go.mod`, 'utf8'))?.[1];
  if (version === undefined) throw new Error('go.mod does not name cyclonus');
  return version;
}
