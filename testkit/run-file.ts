import { relative } from 'node:path';
import { run } from 'node:test';
import type { Failure, FileResult, Skip } from './reporter.ts';

export interface RunFileOptions {
  readonly root: string;
  /** Runs only tests whose name matches. */
  readonly grep?: RegExp | undefined;
  /** For one test, in milliseconds. */
  readonly testTimeout: number;
  /** For the whole file; when it is over, the file's process is killed. */
  readonly fileTimeout: number;
}

type Stream = ReturnType<typeof run>;

interface TestPlace {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
}

/**
 * Runs one test file in a process of its own.
 * A file without tests fails, except where `grep` may have left none; so does a test that is still to do or is skipped without a reason.
 * @param file absolute
 */
export async function runFile(file: string, { root, grep, testTimeout, fileTimeout }: RunFileOptions): Promise<FileResult> {
  const start = performance.now();
  const signal = AbortSignal.timeout(fileTimeout);
  const stream = run({ files: [file], timeout: testTimeout, signal, ...(grep && { testNamePatterns: [grep] }) });
  const collected = collect(stream, file, root);
  await new Promise((resolve, reject) => {
    stream.once('end', resolve).once('error', reject);
    stream.resume();
  });
  if (signal.aborted) collected.failures.push(wholeFile(file, root, `not finished after ${fileTimeout / 1000} s`));
  const nothing = collected.passed === 0 && collected.failures.length === 0 && collected.skips.length === 0;
  if (nothing && !grep) collected.failures.push(wholeFile(file, root, 'the file has no tests'));
  return { file: relative(root, file), milliseconds: performance.now() - start, ...collected, output: collected.output.join('') };
}

interface Collected {
  passed: number;
  readonly failures: Failure[];
  readonly skips: Skip[];
  readonly notes: string[];
  readonly output: string[];
}

function collect(stream: Stream, file: string, root: string): Collected {
  const collected: Collected = { passed: 0, failures: [], skips: [], notes: [], output: [] };
  const names: string[] = [];
  const describe = (test: TestPlace) => ({
    path: [...names.slice(0, test.nesting), test.name],
    place: `${relative(root, test.file ?? file)}:${test.line ?? 1}`,
  });
  stream.on('test:start', (test) => {
    names[test.nesting] = test.name;
  });
  stream.on('test:pass', (test) => {
    // A suite counts only where it is skipped, since its tests are then not told of.
    if (test.name === file || (test.details.type === 'suite' && test.skip === undefined)) return;
    if (typeof test.skip === 'string' && test.skip !== '') collected.skips.push({ ...describe(test), reason: test.skip });
    else if (test.skip !== undefined) collected.failures.push({ ...describe(test), details: 'skipped without a reason' });
    else if (test.todo !== undefined) collected.failures.push({ ...describe(test), details: 'still to do' });
    else collected.passed += 1;
  });
  stream.on('test:fail', (test) => {
    if (test.name === file) collected.failures.push(wholeFile(file, root, 'its process failed, for a reason outside of any test'));
    else if (!isOnlyBySubtests(test.details.error))
      collected.failures.push({ ...describe(test), details: formatError(test.details.error) });
  });
  stream.on('test:stdout', ({ message }) => collected.output.push(message));
  stream.on('test:stderr', ({ message }) => collected.output.push(message));
  stream.on('test:diagnostic', ({ message, file: source }) => {
    if (source === undefined) return; // The counts with which node:test ends a run.
    if (message.startsWith('Error: ')) collected.output.push(`${message}\n`);
    else collected.notes.push(message);
  });
  return collected;
}

function wholeFile(file: string, root: string, details: string): Failure {
  return { path: ['(the file itself)'], place: `${relative(root, file)}:1`, details };
}

/** A suite or test that failed for no other reason than the tests in it, which are told already. */
function isOnlyBySubtests(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed';
}

/** node:test wraps what was thrown; its stack begins with the message and, for an assertion, the difference. */
function formatError(wrapper: Error): string {
  const parts: string[] = [];
  for (let error: unknown = wrapper.cause ?? wrapper; error !== undefined; error = error instanceof Error ? error.cause : undefined) {
    parts.push(error instanceof Error ? withoutInternals(error.stack ?? error.message) : String(error));
  }
  return parts.join('\ncaused by ');
}

function withoutInternals(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !/^\s+at .*\bnode:internal\//.test(line))
    .join('\n');
}
