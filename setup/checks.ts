import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './commands.mjs';
import { CommandError } from './errors.mjs';
import type { createProgress } from './progress.mjs';
import {
  findCommittedGenerated,
  findForbiddenNames,
  findLongFiles,
  findRegistryAddresses,
  findUnexplainedDependencies,
} from './repository-rules.ts';

type Progress = ReturnType<typeof createProgress>;
/** Gives what is wrong, a line each. */
type Check = (root: string) => Promise<readonly string[]> | readonly string[];

class CheckFailed extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

const CHECKS: Readonly<Record<string, Check>> = {
  types: (root) => runTool(root, 'typescript/bin/tsc', '-b', '--pretty', 'false'),
  'lint and format': (root) => runTool(root, '@biomejs/biome/bin/biome', 'ci', '--colors=off', '--error-on-warnings', '.'),
  layers: (root) => runNode(root, '--test', 'testkit/layers.test.ts'),
  'lock file': (root) => findRegistryAddresses(read(root, 'package-lock.json')),
  dependencies: (root) => findUnexplainedDependencies(JSON.parse(read(root, 'package.json')), read(root, 'docs/dependencies.md')),
  'file sizes': async (root) => findLongFiles((await listFiles(root)).map((path) => ({ path, text: () => read(root, path) }))),
  'file names': async (root) => findForbiddenNames(await listFiles(root)),
  'generated code': async (root) => findCommittedGenerated(await listFiles(root, '--cached')),
};

/**
 * Runs every check and prints a line for each, followed by what is wrong.
 * @param options `layers: false` leaves out the check that is a test of the suite as well
 * @returns the names of those that failed
 */
export async function runChecks(root: string, progress: Progress, options: { readonly layers: boolean }): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    if (name === 'layers' && !options.layers) continue;
    try {
      await progress.step(name, async () => {
        const problems = await check(root);
        if (problems.length > 0) throw new CheckFailed(problems);
        return { changed: true };
      });
    } catch (error) {
      if (!(error instanceof CheckFailed)) throw error;
      failed.push(name);
      progress.note(error.problems.map((problem) => `  ${problem}`).join('\n'));
    }
  }
  return failed;
}

/** Files that are in the repository or, with no `--cached`, would be with the next commit. */
async function listFiles(root: string, ...which: ['--cached'] | []): Promise<string[]> {
  const chosen = which.length > 0 ? which : ['--cached', '--others', '--exclude-standard', '--deduplicate'];
  const listed = (await runCommand('git', ['ls-files', '-z', ...chosen], { cwd: root })).split('\0').filter((path) => path !== '');
  const deleted = new Set((await runCommand('git', ['ls-files', '-z', '--deleted'], { cwd: root })).split('\0'));
  return listed.filter((path) => !deleted.has(path));
}

function read(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function runTool(root: string, launcher: string, ...args: string[]): Promise<readonly string[]> {
  return runNode(root, join('node_modules', launcher), ...args);
}

async function runNode(root: string, ...args: string[]): Promise<readonly string[]> {
  try {
    await runCommand(process.execPath, args, { cwd: root });
    return [];
  } catch (error) {
    if (error instanceof CommandError) return (error.output.trimEnd() || error.message).split('\n');
    throw error;
  }
}
