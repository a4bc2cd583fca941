import { formatDuration } from '../setup/progress.mjs';

/** How one test file went. */
export interface FileResult {
  /** Relative to the checkout. */
  readonly file: string;
  readonly milliseconds: number;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  /** What tests said by `t.diagnostic`, such as figures that they measured. */
  readonly notes: readonly string[];
  /** What the file printed. Shown only where something failed. */
  readonly output: string;
}

export interface Failure {
  /** The names of the suites around the test, then its own. */
  readonly path: readonly string[];
  /** `file:line` */
  readonly place: string;
  /** The whole error, with its causes. */
  readonly details: string;
}

export interface Skip {
  readonly path: readonly string[];
  readonly place: string;
  readonly reason: string;
}

export interface Colours {
  good(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
}

export const PLAIN: Colours = { good: (text) => text, bad: (text) => text, faint: (text) => text };

export const TERMINAL: Colours = {
  good: (text) => `\u001b[32m${text}\u001b[0m`,
  bad: (text) => `\u001b[31m${text}\u001b[0m`,
  faint: (text) => `\u001b[2m${text}\u001b[0m`,
};

const FILE_WIDTH = 56;
const OUTPUT_LINES = 200;

/** One line on how the file went, then what its tests said, then every failure in full and the end of what the file printed. */
export function formatFile(result: FileResult, colours: Colours): string {
  const failed = result.failures.length > 0;
  const counts = [`${result.passed} passed`];
  if (failed) counts.push(colours.bad(`${result.failures.length} failed`));
  if (result.skips.length > 0) counts.push(`${result.skips.length} skipped`);
  const mark = failed ? colours.bad('FAIL') : colours.good('ok  ');
  const duration = colours.faint(`(${formatDuration(result.milliseconds)})`);
  const lines = [`${mark} ${result.file.padEnd(FILE_WIDTH)} ${counts.join(', ')} ${duration}`];
  for (const note of result.notes) lines.push(indent(note, '     '));
  for (const failure of result.failures) lines.push('', formatFailure(failure, colours));
  if (failed && result.output.trim() !== '') lines.push('', '  the file printed:', indent(lastLines(result.output), '    '));
  if (failed) lines.push('');
  return `${lines.join('\n')}\n`;
}

/** What closes a run: skipped tests by reason, failed tests by name, and on the last line the counts. */
export function formatSummary(results: readonly FileResult[], colours: Colours): string {
  const lines = [...formatSkips(results.flatMap((result) => result.skips))];
  const failures = results.flatMap((result) => result.failures);
  if (failures.length > 0) lines.push('', colours.bad('failed:'));
  for (const failure of failures) lines.push(`  ${failure.place}  ${failure.path.join(' > ')}`);
  return [...lines, '', closingLine(results), ''].join('\n');
}

export function closingLine(results: readonly FileResult[]): string {
  const sum = (count: (result: FileResult) => number) => results.reduce((total, result) => total + count(result), 0);
  const passed = sum((result) => result.passed);
  const failed = sum((result) => result.failures.length);
  const skipped = sum((result) => result.skips.length);
  return `tests: ${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function formatSkips(skips: readonly Skip[]): string[] {
  if (skips.length === 0) return [];
  const lines = ['', 'skipped:'];
  for (const [reason, skipped] of Map.groupBy(skips, (skip) => skip.reason)) {
    lines.push(`  ${reason}`);
    for (const skip of skipped) lines.push(`    ${skip.place}  ${skip.path.join(' > ')}`);
  }
  return lines;
}

function formatFailure({ path, place, details }: Failure, colours: Colours): string {
  return `  ${colours.bad(path.join(' > '))}\n  at ${place}\n${indent(details, '    ')}`;
}

function lastLines(text: string): string {
  const lines = text.trimEnd().split('\n');
  const left = lines.length - OUTPUT_LINES;
  return left > 0 ? [`(${left} lines before)`, ...lines.slice(left)].join('\n') : lines.join('\n');
}

function indent(text: string, by: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? '' : `${by}${line}`))
    .join('\n');
}
