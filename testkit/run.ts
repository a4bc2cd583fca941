import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChecks } from '../setup/checks.ts';
import { createProgress } from '../setup/progress.mjs';
import { CapabilityError, readRequired } from './capabilities.ts';
import { type FileResult, formatFile, formatSummary, PLAIN, TERMINAL } from './reporter.ts';
import { runFile } from './run-file.ts';

const USAGE = `usage: npm test [-- [PART-OF-A-PATH…] [--grep REGEXP]]
       npm run test:cluster [-- [PART-OF-A-PATH…] [--grep REGEXP]]

Runs every check and test; with arguments, only the tests that they choose. Those of whole clusters, *.cluster.test.ts, and those that
take minutes, *.long.test.ts, are a run of their own.
SLUICE_REQUIRE=NAME,… makes tests fail, not skip, where the machine lacks what they need.`;

/** Files at once, each a process of its own. A cluster and load on it keep two cores busy by themselves. */
const CONCURRENCY = { usual: 2, cluster: 1, long: 2 };
const TEST_TIMEOUT_MS = 5 * 60_000;
const FILE_TIMEOUT_MS = 15 * 60_000;
const EXCLUDED = new Set(['node_modules', '.build', '.setup', '.state', '.git', 'testdata', 'gen']);

/** Tests of Kubernetes, which takes many minutes to build. */
const NEEDS_CLUSTER = '.cluster.test.ts';
/** Tests that take minutes themselves: of nodes and pods in network namespaces, and of load. */
const TAKES_LONG = '.long.test.ts';

type Run = keyof typeof CONCURRENCY;

interface Batch {
  readonly files: readonly string[];
  readonly concurrency: number;
}

interface Options {
  /** Parts of paths; a file with any of them is chosen. Empty chooses every file. */
  readonly paths: readonly string[];
  readonly grep: RegExp | undefined;
  /** Whether the tests that need Kubernetes or take long are run, and no others. */
  readonly isCluster: boolean;
}

process.exitCode = await main(process.argv.slice(2), process.cwd());

async function main(args: readonly string[], root: string): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(`${options}\n${USAGE}`);
    return 2;
  }
  const colours = process.stdout.isTTY ? TERMINAL : PLAIN;
  const results: FileResult[] = [];
  if (options.paths.length === 0 && !options.grep && !options.isCluster) results.push(await runAllChecks(root));
  for (const batch of findFiles(root, options)) {
    await runFiles(batch, root, options, (result) => {
      results.push(result);
      const ran = result.passed + result.failures.length + result.skips.length > 0;
      if (ran) process.stdout.write(formatFile(result, colours));
    });
  }
  if (!results.some((result) => result.passed > 0)) results.push(failure('(the run)', 'no test has passed'));
  process.stdout.write(formatSummary(results, colours));
  return results.every((result) => result.failures.length === 0) ? 0 : 1;
}

/** What is wrong with the arguments or the environment is returned as a string. */
function readOptions(args: readonly string[]): Options | string {
  try {
    readRequired(process.env['SLUICE_REQUIRE']);
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { grep: { type: 'string' }, cluster: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    return { paths: positionals, grep: values.grep === undefined ? undefined : new RegExp(values.grep), isCluster: values.cluster };
  } catch (error) {
    if (error instanceof CapabilityError || error instanceof TypeError || error instanceof SyntaxError) return error.message;
    throw error;
  }
}

/** Checks that pass are not tests and are not counted as such. */
async function runAllChecks(root: string): Promise<FileResult> {
  const failed = await runChecks(root, createProgress(), { layers: false });
  process.stdout.write('\n');
  return { ...failure('npm run check', ''), failures: failed.map((name) => ({ path: [name], place: 'npm run check', details: '' })) };
}

function failure(place: string, details: string): FileResult {
  return { file: place, milliseconds: 0, passed: 0, failures: [{ path: [details], place, details }], skips: [], notes: [], output: '' };
}

/** One after the other. */
function findFiles(root: string, { paths: parts, isCluster }: Options): readonly Batch[] {
  const all = globSync('**/*.test.ts', { cwd: root, exclude: (path) => EXCLUDED.has(basename(path)) });
  const chosen = parts.length === 0 ? all : all.filter((file) => parts.some((part) => file.includes(part)));
  const files = Object.groupBy(chosen.sort(), runOf);
  const batch = (run: Run): Batch => ({ files: (files[run] ?? []).map((file) => join(root, file)), concurrency: CONCURRENCY[run] });
  return isCluster ? [batch('cluster'), batch('long')] : [batch('usual')];
}

function runOf(file: string): Run {
  if (file.endsWith(NEEDS_CLUSTER)) return 'cluster';
  return file.endsWith(TAKES_LONG) ? 'long' : 'usual';
}

async function runFiles({ files, concurrency }: Batch, root: string, { grep }: Options, onResult: (result: FileResult) => void) {
  const queue = files.values();
  const work = async () => {
    for (const file of queue) onResult(await runFile(file, { root, grep, testTimeout: TEST_TIMEOUT_MS, fileTimeout: FILE_TIMEOUT_MS }));
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}
