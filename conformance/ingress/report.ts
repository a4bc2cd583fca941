import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ScenarioResult } from './runner.ts';
import { AREAS } from './scenario.ts';

export interface Report {
  readonly suite: 'ingress';
  /** ISO 8601, to the second. */
  readonly date: string;
  readonly platform: 'cluster' | 'standalone';
  readonly versions: Readonly<Record<string, string>>;
  readonly passed: number;
  readonly failed: number;
  readonly notApplicable: number;
  readonly seconds: number;
  readonly results: readonly ReportedResult[];
}

export interface ReportedResult {
  readonly area: string;
  readonly name: string;
  readonly reference: string;
  readonly covers: readonly string[];
  readonly outcome: ScenarioResult['outcome'];
  readonly milliseconds: number;
  readonly requests: number;
  readonly message?: string;
}

export type ReportCircumstances = Pick<Report, 'date' | 'platform' | 'versions' | 'seconds'>;

export function makeReport(circumstances: ReportCircumstances, results: readonly ScenarioResult[]): Report {
  const count = (outcome: ScenarioResult['outcome']) => results.filter((result) => result.outcome === outcome).length;
  return {
    suite: 'ingress',
    ...circumstances,
    passed: count('passed'),
    failed: count('failed'),
    notApplicable: count('not-applicable'),
    results: results.map(({ scenario, ...result }) => {
      const { area, name, reference, covers = [] } = scenario;
      return { area, name, reference, covers, ...result };
    }),
  };
}

/** Whether every scenario that could be run has passed, and any was run at all. */
export function isConformant({ passed, failed }: Report): boolean {
  return failed === 0 && passed > 0;
}

/** `85 passed, 0 failed, 0 not applicable`. */
export function formatSums({ passed, failed, notApplicable }: Report): string {
  return `${passed} passed, ${failed} failed, ${notApplicable} not applicable`;
}

export function formatMarkdown(report: Report): string {
  const lines = ['# Ingress conformance', '', `${formatSums(report)}, in ${report.seconds} s on ${report.date}.`, ''];
  lines.push(
    '| | version |',
    '|---|---|',
    ...Object.entries(report.versions).map(([name, version]) => `| ${name} | ${escapeCell(version)} |`),
  );
  for (const area of AREAS) {
    const results = report.results.filter((result) => result.area === area);
    if (results.length === 0) continue;
    lines.push(
      '',
      `## ${area.charAt(0).toUpperCase()}${area.slice(1)}`,
      '',
      '| scenario | result | requests | time |',
      '|---|---|---|---|',
    );
    lines.push(...results.map(formatRow));
  }
  const covered = report.results.flatMap(({ covers, outcome }) => covers.map((name) => `| ${escapeCell(name)} | ${outcome} |`));
  if (covered.length > 0) {
    lines.push(
      '',
      '## Scenarios of kubernetes-sigs/ingress-controller-conformance that these cover',
      '',
      '| scenario | result |',
      '|---|---|',
      ...covered,
    );
  }
  return `${lines.join('\n')}\n`;
}

function formatRow({ name, reference, outcome, requests, milliseconds, message }: ReportedResult): string {
  const told = message === undefined ? '' : `: ${escapeCell(message)}`;
  return `| [${escapeCell(name)}](${reference}) | ${outcome}${told} | ${requests} | ${(milliseconds / 1000).toFixed(1)} s |`;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
}

/** Writes `ingress-PLATFORM.json` and `.md`. @returns their paths */
export function writeReport(folder: string, report: Report): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const json = join(folder, `ingress-${report.platform}.json`);
  const markdown = join(folder, `ingress-${report.platform}.md`);
  writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(markdown, formatMarkdown(report));
  return [json, markdown];
}
