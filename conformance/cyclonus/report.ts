import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CaseResult, type GeneratedCase, hasPassed, type StepResult, titleOf } from './transcript.ts';

export interface Report {
  readonly suite: 'cyclonus';
  /** ISO 8601, to the second. */
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  /** The arguments of `cyclonus`. */
  readonly command: string;
  readonly passed: number;
  readonly failed: number;
  readonly notRun: number;
  /** By choice. */
  readonly leftOut: number;
  /** Pairs of pods, one from the other, of all steps; most are tried with two ports of two protocols each. */
  readonly pairs: number;
  readonly seconds: number;
  readonly results: readonly ReportedCase[];
}

const OUTCOMES = ['passed', 'failed', 'not run', 'left out'] as const;

export interface ReportedCase extends GeneratedCase {
  readonly outcome: (typeof OUTCOMES)[number];
  readonly steps: readonly StepResult[];
  readonly milliseconds: number;
}

export type ReportCircumstances = Pick<Report, 'date' | 'versions' | 'command' | 'seconds'>;

export interface Cases {
  /** All that cyclonus generates. */
  readonly all: readonly GeneratedCase[];
  /** Those that were to be run, in the same order with numbers of their own. */
  readonly chosen: readonly GeneratedCase[];
  /** By the numbers of those that were chosen. */
  readonly results: readonly CaseResult[];
}

/** @throws Error where a case was chosen that there is not */
export function makeReport(circumstances: ReportCircumstances, { all, chosen, results }: Cases): Report {
  const byNumber = new Map(results.map((result) => [result.number, result]));
  const reported: ReportedCase[] = [];
  let next = 0;
  for (const generated of all) {
    const one = chosen[next];
    if (one !== undefined && isSame(one, generated)) {
      reported.push(reportCase(generated, byNumber.get(one.number)));
      next += 1;
    } else {
      reported.push({ ...generated, outcome: 'left out', steps: [], milliseconds: 0 });
    }
  }
  const missing = chosen[next];
  if (missing !== undefined) throw new Error(`cyclonus does not always generate ${titleOf(missing)}`);
  const count = (outcome: ReportedCase['outcome']) => reported.filter((one) => one.outcome === outcome).length;
  const steps = results.flatMap((result) => result.steps);
  return {
    suite: 'cyclonus',
    ...circumstances,
    passed: count('passed'),
    failed: count('failed'),
    notRun: count('not run'),
    leftOut: count('left out'),
    pairs: steps.reduce((sum, { wrong, ignored, correct }) => sum + wrong + ignored + correct, 0),
    results: reported,
  };
}

function isSame(one: GeneratedCase, other: GeneratedCase): boolean {
  return one.description === other.description && one.tags.join() === other.tags.join();
}

function reportCase(generated: GeneratedCase, result: CaseResult | undefined): ReportedCase {
  if (result === undefined) return { ...generated, outcome: 'not run', steps: [], milliseconds: 0 };
  const { steps, milliseconds } = result;
  return { ...generated, outcome: hasPassed(result) ? 'passed' : 'failed', steps, milliseconds };
}

/** Whether every case that was to be run has passed, and any was run at all. */
export function isConformant({ passed, failed, notRun }: Report): boolean {
  return failed === 0 && notRun === 0 && passed > 0;
}

/** `200 passed, 0 failed, 0 not run, 30 left out; 18630 pairs of pods` */
export function formatSums({ passed, failed, notRun, leftOut, pairs }: Report): string {
  return `${passed} passed, ${failed} failed, ${notRun} not run, ${leftOut} left out; ${pairs} pairs of pods`;
}

export function formatMarkdown(report: Report): string {
  const rows = (pairs: readonly (readonly [string, string])[]) => pairs.map(([name, value]) => `| ${name} | ${escapeCell(value)} |`);
  const lines = [
    '# NetworkPolicy conformance: cyclonus',
    '',
    `${formatSums(report)}, in ${report.seconds} s on ${report.date}.`,
    '',
    'Servers and probes are of TCP and UDP; policies that name SCTP are among the cases, but nothing serves it. Probes of a pod by itself are',
    'ignored: [no policy can stop them](https://kubernetes.io/docs/concepts/services-networking/network-policies/).',
    '',
    '| | version |',
    '|---|---|',
    ...rows(Object.entries(report.versions)),
    '',
    `\`${report.command}\``,
    '',
    '## By tag',
    '',
    `| tag | ${OUTCOMES.join(' | ')} |`,
    '|---|---|---|---|---|',
    ...sumsByTag(report.results),
    '',
    '## Cases',
    '',
    'One step a change; of the pairs of pods, how many were as expected with every port and protocol; cyclonus tries all of a step once more',
    'where any was not.',
    '',
    '| | case | result | steps | pairs | second tries | time |',
    '|---|---|---|---|---|---|---|',
    ...report.results.map(formatRow),
  ];
  return `${lines.join('\n')}\n`;
}

function sumsByTag(results: readonly ReportedCase[]): readonly string[] {
  const tags = [...new Set(results.flatMap(({ tags }) => tags))].sort();
  return tags.map((tag) => {
    const tagged = results.filter((result) => result.tags.includes(tag));
    const counts = OUTCOMES.map((outcome) => tagged.filter((result) => result.outcome === outcome).length);
    return `| ${tag} | ${counts.join(' | ')} |`;
  });
}

function formatRow({ steps, outcome, milliseconds, ...generated }: ReportedCase): string {
  const correct = steps.reduce((sum, step) => sum + step.correct, 0);
  const all = steps.reduce((sum, { wrong, ignored, correct }) => sum + wrong + ignored + correct, 0);
  const again = steps.filter(({ tries }) => tries > 1).length;
  const numbers = [steps.length, `${correct}/${all}`, again, `${(milliseconds / 1000).toFixed(0)} s`];
  const cells = [generated.number, escapeCell(titleOf(generated)), outcome, ...numbers];
  return `| ${cells.join(' | ')} |`;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
}

/** Writes `cyclonus.json` and `.md`. @returns their paths */
export function writeReport(folder: string, report: Report): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const json = join(folder, 'cyclonus.json');
  const markdown = join(folder, 'cyclonus.md');
  writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(markdown, formatMarkdown(report));
  return [json, markdown];
}
