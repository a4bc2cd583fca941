import { parseArgs } from 'node:util';
import type { Streams } from '../streams.ts';
import { cyclonusVersion } from './program.ts';
import { formatSums, isConformant, makeReport, writeReport } from './report.ts';
import { type CaseResult, hasPassed, titleOf } from './transcript.ts';

export const USAGE = `usage: npm run conformance -- cyclonus [OPTIONS]

Checks whether NetworkPolicies are enforced as cyclonus, which generates policies and tries all connections between nine pods,
says: https://github.com/mattfenwick/cyclonus. Every case for TCP and UDP, in a lab of its own with Sluice as the manifests install it.
It needs root, and takes an hour or more of two processors.

  --include TAGS      only cases with one of these tags of cyclonus (see its own --help), by commas
  --exclude TAGS      no cases with one of these tags
  --destination MODE  what is connected to: service-name (the default, as it is cyclonus' own), service-ip or pod-ip
  --within MINUTES    no case begins later; what is not run then is listed, and is no pass
  --report DIR        writes cyclonus.json and .md there
  --transcript FILE   writes there all that cyclonus says
  --help              this text

Exit code: 0 where everything has passed, 1 where something has not, 2 for wrong usage.`;

/** How a pod is connected to: https://github.com/mattfenwick/cyclonus/blob/v0.5.6/pkg/generator/testcase.go */
const DESTINATIONS = ['service-name', 'service-ip', 'pod-ip'] as const;

export interface Options {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly destination: string;
  /** Default: no limit. */
  readonly withinMs: number | undefined;
  readonly report: string | undefined;
  readonly transcript: string | undefined;
}

/** The command. @returns the exit code */
export async function runCyclonusSuite(args: readonly string[], streams: Streams): Promise<number> {
  const options = readOptions(args);
  if (options === 'help') {
    streams.out(`${USAGE}\n`);
    return 0;
  }
  if (typeof options === 'string') {
    streams.error(`${options}\n${USAGE}\n`);
    return 2;
  }
  const { runInLab } = await import('./lab.ts');
  const start = performance.now();
  const { cases, versions, command, failure } = await runInLab(options, {
    report: (what) => streams.error(`${what}\n`),
    onResult: (result, total) => streams.out(formatResult(result, total)),
  });
  const seconds = Math.round((performance.now() - start) / 1000);
  const date = new Date().toISOString().replace(/\.\d+/, '');
  const report = makeReport({ date, versions: { cyclonus: cyclonusVersion(), ...versions }, command, seconds }, cases);
  streams.out(`${formatSums(report)}, in ${seconds} s\n`);
  if (options.report !== undefined) for (const path of writeReport(options.report, report)) streams.out(`wrote ${path}\n`);
  if (failure !== undefined) streams.error(`${failure}\n`);
  return failure === undefined && isConformant(report) ? 0 : 1;
}

function formatResult(result: CaseResult, total: number): string {
  const mark = hasPassed(result) ? 'ok  ' : 'FAIL';
  const seconds = (result.milliseconds / 1000).toFixed(1);
  const said = result.discrepancy === undefined ? '' : `${result.discrepancy}\n`;
  return `${mark} ${`${result.number}`.padStart(3)}/${total} ${titleOf(result)} (${seconds} s)\n${said}`;
}

/** What is wrong with the arguments is returned as a string. */
export function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        include: { type: 'string', default: '' },
        exclude: { type: 'string', default: '' },
        destination: { type: 'string', default: DESTINATIONS[0] },
        within: { type: 'string' },
        report: { type: 'string' },
        transcript: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    const { include, exclude, destination, report, transcript } = values;
    if (!DESTINATIONS.some((mode) => mode === destination)) return `--destination must be one of ${DESTINATIONS.join(', ')}`;
    const minutes = values.within === undefined ? undefined : Number(values.within);
    if (minutes !== undefined && !(minutes > 0)) return '--within must be a number of minutes';
    const split = (tags: string) => tags.split(',').filter((tag) => tag !== '');
    const withinMs = minutes === undefined ? undefined : minutes * 60_000;
    return { include: split(include), exclude: split(exclude), destination, withinMs, report, transcript };
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}
