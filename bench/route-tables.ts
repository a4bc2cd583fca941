import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { distributionOf } from './distribution.ts';
import { RunningSluice } from './running-sluice.ts';

const ROUNDS = 40;
const SECONDS = 1;
/** The largest table that is served whole, and the smallest that is divided. */
const WHOLE_HOSTS = 256;
const DIVIDED_HOSTS = 257;

interface Cost {
  readonly requestsPerSecond: number;
  /** Of Envoy, in microseconds. Other work on the machine changes it far less than it changes requests a second. */
  readonly cpuPerRequest: number;
}

/** What dividing a route table costs a request, side by side and in turns, as ratios to a table that is whole. */
export async function measureRouteTables(): Promise<void> {
  using folder = new TemporaryFolder();
  const whole = await start(folder, 'whole', WHOLE_HOSTS);
  const again = await start(folder, 'again', WHOLE_HOSTS);
  const divided = await start(folder, 'divided', DIVIDED_HOSTS);
  const subjects: readonly Subject[] = [
    { label: 'a whole one', costs: [], load: () => load(whole, 'host-7.test') },
    { label: 'another whole one (noise)', costs: [], load: () => load(again, 'host-7.test') },
    { label: 'divided, a known host', costs: [], load: () => load(divided, 'host-7.test') },
    { label: 'divided, a host of a wildcard', costs: [], load: () => load(divided, 'elsewhere.wild.test') },
  ];
  try {
    // Each round begins with another one, so that none always follows the same neighbour.
    for (let round = 0; round < ROUNDS; round++) {
      for (let turn = 0; turn < subjects.length; turn++) {
        const subject = subjects[(round + turn) % subjects.length];
        subject?.costs.push(subject.load());
      }
    }
  } finally {
    for (const sluice of [whole, again, divided]) await sluice.stop();
  }
  console.log(
    `route tables: a divided one (${DIVIDED_HOSTS} hosts) against a whole one (${WHOLE_HOSTS}), ${ROUNDS} rounds of ${SECONDS} s`,
  );
  const [base, ...others] = subjects;
  for (const { label, costs } of others)
    show(
      label,
      costs.map((cost, round) => ratios(cost, base?.costs[round] ?? cost)),
    );
}

interface Subject {
  readonly label: string;
  readonly costs: Cost[];
  readonly load: () => Cost;
}

function ratios(cost: Cost, base: Cost): Cost {
  return {
    requestsPerSecond: cost.requestsPerSecond / base.requestsPerSecond,
    cpuPerRequest: cost.cpuPerRequest / base.cpuPerRequest,
  };
}

function show(label: string, all: readonly Cost[]): void {
  const spread = (values: readonly number[]) => {
    const { p25, p50, p75 } = distributionOf(values);
    const percent = (ratio: number) => `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
    return `median ${percent(p50)} (quartiles ${percent(p25)} and ${percent(p75)})`;
  };
  console.log(`  ${label.padEnd(28)}  requests/s ${spread(all.map(({ requestsPerSecond }) => requestsPerSecond))}`);
  console.log(`  ${''.padEnd(28)}  CPU a request ${spread(all.map(({ cpuPerRequest }) => cpuPerRequest))}`);
}

/** Every host answers without a backend, so that the proxy alone is measured. */
async function start(folder: TemporaryFolder, name: string, hosts: number): Promise<RunningSluice> {
  const manifests = folder.join(`${name}-manifests`);
  await mkdir(manifests);
  const names = ['"*.wild.test"', ...Array.from({ length: hosts - 1 }, (_, index) => `host-${index}.test`)];
  const path = '{path: /, pathType: Prefix, backend: {service: {name: nowhere, port: {number: 80}}}}';
  const rules = names.map((host) => `  - {host: ${host}, http: {paths: [${path}]}}\n`).join('');
  await writeFile(
    `${manifests}/ingress.yaml`,
    `apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: all}\nspec:\n  ingressClassName: cilium\n  rules:\n${rules}`,
  );
  return await RunningSluice.start(manifests, folder.join(`${name}-state`));
}

function load(sluice: RunningSluice, host: string): Cost {
  const url = `http://127.0.0.1:${sluice.httpPort}/`;
  const before = sluice.envoyCpuMs();
  const output = execFileSync('wrk', ['-t1', '-c8', `-d${SECONDS}s`, '-H', `Host: ${host}`, url], { encoding: 'utf8' });
  const cpuMs = sluice.envoyCpuMs() - before;
  const read = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? Number.NaN);
  return { requestsPerSecond: read(/Requests\/sec:\s+([\d.]+)/), cpuPerRequest: (cpuMs * 1000) / read(/(\d+) requests in/) };
}
