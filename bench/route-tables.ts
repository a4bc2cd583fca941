import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { distributionOf } from './distribution.ts';
import { RunningSluice } from './running-sluice.ts';

const ROUNDS = 9;
const SECONDS = 2;
/** The largest table that is served whole, and the smallest that is divided. */
const WHOLE_HOSTS = 256;
const DIVIDED_HOSTS = 257;

/** What dividing a route table costs a request: requests a second side by side, in turns, as a ratio. */
export async function measureRouteTables(): Promise<void> {
  using folder = new TemporaryFolder();
  const whole = await start(folder, 'whole', WHOLE_HOSTS);
  const again = await start(folder, 'again', WHOLE_HOSTS);
  const divided = await start(folder, 'divided', DIVIDED_HOSTS);
  const ratios: Record<string, number[]> = { known: [], unknown: [], same: [] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const base = requestsPerSecond(whole, 'host-7.test');
      ratios['same']?.push(requestsPerSecond(again, 'host-7.test') / base);
      ratios['known']?.push(requestsPerSecond(divided, 'host-7.test') / base);
      ratios['unknown']?.push(requestsPerSecond(divided, 'elsewhere.wild.test') / base);
    }
  } finally {
    for (const sluice of [whole, again, divided]) await sluice.stop();
  }
  console.log(
    `route tables: requests/s of a divided table (${DIVIDED_HOSTS} hosts) against a whole one (${WHOLE_HOSTS}), ${ROUNDS} rounds`,
  );
  const show = (label: string, values: readonly number[] = []) => {
    const { p50 } = distributionOf(values);
    const sorted = values.toSorted((a, b) => a - b);
    const change = (ratio: number | undefined) => `${(((ratio ?? Number.NaN) - 1) * 100).toFixed(1)} %`;
    console.log(`  ${label.padEnd(32)}  median ${change(p50)}, from ${change(sorted[0])} to ${change(sorted.at(-1))}`);
  };
  show('whole against whole (noise)', ratios['same']);
  show('a known host', ratios['known']);
  show('a host of a wildcard', ratios['unknown']);
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

function requestsPerSecond({ httpPort }: RunningSluice, host: string): number {
  const output = execFileSync('wrk', ['-t1', '-c8', `-d${SECONDS}s`, '-H', `Host: ${host}`, `http://127.0.0.1:${httpPort}/`], {
    encoding: 'utf8',
  });
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? Number.NaN);
}
