import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../../conformance/lab/netns/index.ts';
import { wordOf } from '../../conformance/layer7/http-peer.ts';
import { app, ciliumPolicy, type HttpRuleText, tcpPort } from '../../conformance/layer7/policies.ts';
import { SteeredLab } from '../../conformance/layer7/steered-lab.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { eventually } from '../../testkit/eventually.ts';
import { distribution, say } from '../figures.ts';
import { cpuMsOf, pidOf } from '../process-cost.ts';
import { answering, passingOn } from './envoy-config.ts';

/**
 * What it costs two pods of a node that what they say is judged by rules: directly, by way of the node's Envoy with no, 1, 100 and 1,000 rules, and by
 * way of an Envoy with the same rules as a hand would write them. Then, how long an edited rule takes to be in force.
 *
 *     node bench/layer7/steering.ts [ROUNDS]
 *
 * As root, with wrk. All rounds measure all ways, one after the other; a figure is the median of the rounds.
 */
const ROUNDS = Number(process.argv[2] ?? 3);
const SECONDS = 4;
const CONNECTIONS = 8;
const COUNTS = [1, 100, 1_000];
const EDITS = 40;
const HAND_PORT = 7_000;

interface Cost {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Of the Envoy in between, in microseconds for each request. */
  readonly cpu: number;
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
await using cleanUp = new AsyncDisposableStack();
cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }));
const lab = cleanUp.use(
  await SteeredLab.start({
    network: 'routed',
    nodes: 1,
    pods: ['client', 'web'].map((name) => ({ name, labels: { app: name } })),
  }),
);
const node = lab.lab.node('node-1');
const [client, web] = [lab.lab.pod('client'), lab.lab.pod('web')];
await startEnvoy(web, 'web', answering(80), 1);
const direct = `http://${web.addresses.ipv4}`;
await eventually(async () => {
  if (wordOf(await lab.peer('client').ask({ to: web.addresses.ipv4 })) !== '200') throw new Error('the server is not there');
});
const steering = pidOf(envoyBinary(), lab.folderOf('node-1'));

const rulesOf = (count: number): HttpRuleText[] =>
  Array.from({ length: count }, (_, index) => ({ method: 'GET', path: `/v1/items/${index}/[0-9]+` }));
const policyWith = (http: readonly HttpRuleText[]) =>
  ciliumPolicy({ name: 'web', app: 'web', ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, http)] }] });

const found = new Map<string, Cost[]>();
for (let round = 0; round < ROUNDS; round++) {
  await lab.set('web', []);
  note('direct', await load(`${direct}/v1/items/0/7`, undefined));
  await lab.set('web', [policyWith([{}])]);
  note('steered, everything is allowed', await load(`${direct}/v1/items/0/7`, steering));
  await byHand('by hand, no rules', [], '/v1/items/0/7');
  for (const count of COUNTS) {
    const rules = rulesOf(count);
    const last = `/v1/items/${count - 1}/7`;
    await lab.set('web', [policyWith(rules)]);
    note(`steered, ${count} rules`, await load(`${direct}${last}`, steering));
    await byHand(`by hand, ${count} rules`, rules, last);
  }
}
for (const [way, costs] of found) {
  const figure = (read: (cost: Cost) => number) => median(costs.map(read));
  const perSecond = `${figure((cost) => cost.perSecond).toFixed(0)} requests/s`;
  const latency = `p50 ${figure((cost) => cost.p50).toFixed(2)} ms, p99 ${figure((cost) => cost.p99).toFixed(2)} ms`;
  say(way, `${perSecond}, ${latency}, ${figure((cost) => cost.cpu).toFixed(0)} µs of Envoy a request`);
}
say('an edited rule is in force after', distribution(await edits()));

function note(way: string, cost: Cost): void {
  found.set(way, [...(found.get(way) ?? []), cost]);
}

/** By way of an Envoy on the node that clients ask themselves, which nothing steers to. */
async function byHand(way: string, rules: readonly HttpRuleText[], path: string): Promise<void> {
  await lab.set('web', []);
  const name = `hand-${rules.length}`;
  const end = await startEnvoy(node, name, passingOn(HAND_PORT, { address: web.addresses.ipv4, port: 80 }, rules), 2);
  const url = `http://${node.addresses.ipv4}:${HAND_PORT}${path}`;
  await eventually(async () => {
    const { ipv4: to } = node.addresses;
    if (wordOf(await lab.peer('client').ask({ to, port: HAND_PORT, path })) !== '200') throw new Error('it is not there');
  });
  note(way, await load(url, pidOf(envoyBinary(), `${folder}/${name}`)));
  await end();
}

async function load(url: string, pid: number | undefined): Promise<Cost> {
  const wrk = ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--latency', url];
  await client.run([...wrk.slice(0, 3), '-d1s', url]);
  const before = pid === undefined ? 0 : cpuMsOf(pid);
  const output = await client.run(wrk);
  const cpuMs = pid === undefined ? 0 : cpuMsOf(pid) - before;
  if (/Non-2xx/.test(output)) throw new Error(`${await client.run(['curl', '-si', url])}${output}`);
  const read = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? Number.NaN);
  const requests = read(/(\d+) requests in/);
  return {
    perSecond: read(/Requests\/sec:\s+([\d.]+)/),
    p50: milliseconds(output, '50%'),
    p99: milliseconds(output, '99%'),
    cpu: (1_000 * cpuMs) / requests,
  };
}

function milliseconds(output: string, share: string): number {
  const [, number = '', unit = ''] = new RegExp(`${share}\\s+([\\d.]+)(us|ms|s)`).exec(output) ?? [];
  return Number(number) * ({ us: 0.001, ms: 1, s: 1_000 }[unit] ?? Number.NaN);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** @returns how to end it */
async function startEnvoy(place: Place, name: string, config: object, concurrency: number): Promise<() => Promise<void>> {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  const args = ['-c', file, '--concurrency', String(concurrency), '--disable-hot-restart', '--log-level', 'error'];
  const envoy = place.spawn([envoyBinary(), ...args], { stdio: 'ignore' });
  return async () => {
    const exit = once(envoy, 'exit');
    process.kill(pidOf(envoyBinary(), `${folder}/${name}`), 'SIGKILL');
    await exit;
  };
}

/** From writing the file to the first answer that shows it, on a connection that stays open. */
async function edits(): Promise<number[]> {
  const took: number[] = [];
  const peer = lab.peer('client');
  for (let edit = 0; edit < EDITS; edit++) {
    const path = `/edited/${edit}`;
    lab.write('web', [policyWith([{ path }])]);
    const from = performance.now();
    await eventually(async () => {
      if (wordOf(await peer.ask({ to: web.addresses.ipv4, path, connection: 'edits' })) !== '200') throw new Error('not yet');
    });
    took.push(performance.now() - from);
    await sleep(200);
  }
  return took;
}
