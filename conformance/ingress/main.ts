import { parseArgs } from 'node:util';
import { openApiClient } from '../../kube/index.ts';
import type { Streams } from '../streams.ts';
import { addressTowardsNodes, ClusterPlatform } from './cluster.ts';
import type { Platform } from './platform.ts';
import { formatSums, isConformant, makeReport, writeReport } from './report.ts';
import { runScenarios, type ScenarioResult } from './runner.ts';
import { type Scenario, titleOf } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';
import { StandalonePlatform } from './standalone.ts';

export const USAGE = `usage: npm run conformance -- ingress [OPTIONS]

Checks whether Ingresses are served as the documentation of Kubernetes says.

  --lab               in a lab of its own, with Sluice as manifests/install.yaml installs it (the default)
  --kubeconfig FILE   in the cluster of this kubeconfig, which serves the class "cilium"
  --standalone        by a Sluice without cluster, one a scenario: what needs a cluster is listed as not applicable
  --own-address IP    where nodes reach this process; default: the address that it reaches a node from
  --concurrency N     how many scenarios run at once
  --filter TEXT       only scenarios whose "area: name" contains this, upper or lower case
  --report DIR        writes ingress-PLATFORM.json and .md there
  --output text|json  json prints the report instead of progress
  --list              names the scenarios and what they cover, and runs nothing
  --help              this text

Exit code: 0 where everything has passed, 1 where something has not, 2 for wrong usage.`;

interface Options {
  readonly kubeconfig: string | undefined;
  readonly standalone: boolean;
  readonly lab: boolean;
  readonly ownAddress: string | undefined;
  readonly concurrency: number | undefined;
  readonly filter: string;
  readonly report: string | undefined;
  readonly output: 'text' | 'json';
  readonly list: boolean;
  readonly help: boolean;
}

/** The command, with its scenarios and platform as parameters for tests. @returns the exit code */
export async function runIngressSuite(
  args: readonly string[],
  streams: Streams,
  scenarios: readonly Scenario[] = SCENARIOS,
  openPlatform: (options: Options) => Promise<Platform> = choosePlatform,
): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    streams.error(`${options}\n${USAGE}\n`);
    return 2;
  }
  if (options.help) {
    streams.out(`${USAGE}\n`);
    return 0;
  }
  const chosen = scenarios.filter((scenario) => titleOf(scenario).toLowerCase().includes(options.filter.toLowerCase()));
  if (chosen.length === 0) {
    streams.error(`no scenario contains "${options.filter}"\n`);
    return 2;
  }
  if (options.list) {
    for (const scenario of chosen) streams.out(`${titleOf(scenario)}${scenario.needsCluster ? ` (${scenario.needsCluster})` : ''}\n`);
    return 0;
  }
  if (options.lab && openPlatform === choosePlatform) {
    const { runInLab } = await import('./lab.ts');
    return await runInLab(
      args.filter((arg) => arg !== '--lab'),
      (what) => streams.error(`${what}\n`),
    );
  }
  return await run(options, streams, chosen, await openPlatform(options));
}

async function run(options: Options, streams: Streams, scenarios: readonly Scenario[], platform: Platform): Promise<number> {
  const tell = options.output === 'json' ? () => {} : streams.out;
  const start = performance.now();
  const versions = await platform.versions();
  tell(
    `${scenarios.length} scenarios on ${Object.entries(versions)
      .map((pair) => pair.join(' '))
      .join(', ')}\n`,
  );
  let done = 0;
  const results = await runScenarios(platform, scenarios, (result) => {
    done += 1;
    tell(formatResult(result, done, scenarios.length));
  });
  const seconds = Math.round((performance.now() - start) / 1000);
  const date = new Date().toISOString().replace(/\.\d+/, '');
  const report = makeReport({ date, platform: platform.kind, versions, seconds }, results);
  tell(`${formatSums(report)}, in ${seconds} s\n`);
  if (options.output === 'json') streams.out(`${JSON.stringify(report, undefined, 2)}\n`);
  if (options.report !== undefined) for (const path of writeReport(options.report, report)) tell(`wrote ${path}\n`);
  try {
    await platform.close();
  } catch (error) {
    streams.error(`not everything is cleaned up: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  return isConformant(report) ? 0 : 1;
}

const MARKS = { passed: 'ok  ', failed: 'FAIL', 'not-applicable': 'n/a ' } as const;

function formatResult({ scenario, outcome, milliseconds, message }: ScenarioResult, done: number, total: number): string {
  const time = outcome === 'not-applicable' ? '' : ` (${(milliseconds / 1000).toFixed(1)} s)`;
  return `${MARKS[outcome]} ${`${done}`.padStart(3)}/${total} ${titleOf(scenario)}${time}${message ? `\n       ${message}` : ''}\n`;
}

/** What is wrong with the arguments is returned as a string. */
function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        kubeconfig: { type: 'string' },
        standalone: { type: 'boolean', default: false },
        lab: { type: 'boolean', default: false },
        'own-address': { type: 'string' },
        concurrency: { type: 'string' },
        filter: { type: 'string', default: '' },
        report: { type: 'string' },
        output: { type: 'string', default: 'text' },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const { 'own-address': ownAddress, concurrency: count, output, kubeconfig, report, ...rest } = values;
    const concurrency = count === undefined ? undefined : Number(count);
    if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency > 0)) return '--concurrency must be a number from 1';
    if (output !== 'text' && output !== 'json') return '--output must be text or json';
    const places = [values.lab, values.standalone, kubeconfig !== undefined].filter(Boolean).length;
    if (places > 1) return 'only one of --lab, --kubeconfig and --standalone can say where';
    return { ...rest, lab: places === 0 || values.lab, kubeconfig, ownAddress, concurrency, output, report };
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}

async function choosePlatform({ kubeconfig, ownAddress, concurrency }: Options): Promise<Platform> {
  if (kubeconfig === undefined) return new StandalonePlatform();
  const client = openApiClient({ kubeconfig });
  const reachedAt = ownAddress ?? (await addressTowardsNodes(client));
  return new ClusterPlatform({ client, ownAddress: reachedAt, ...(concurrency !== undefined && { concurrency }) });
}
