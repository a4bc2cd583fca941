// node bench/enforcement/reconcile.ts: how long nothing else has its turn while a node's tables are compared with what they are to be. As root, in
// namespaces of its own, which are gone when it ends.
import { cpus, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeEnforcement } from '../../agent/enforcement/node-enforcement.ts';
import { NodeServices } from '../../agent/enforcement/node-services.ts';
import { cleanUpServices, Datapath, ServiceDatapath } from '../../bpf/datapath/index.ts';
import { longestPausesDuring } from '../../bpf/libbpf-ts/bench/pause.ts';
import { Cgroup } from '../../bpf/libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import type { Resource } from '../../xds-server/serve/index.ts';
import { translateAddress, translateNodeEndpoints } from '../../xds-server/translate/node/identities.ts';
import { translateSubjectPolicy } from '../../xds-server/translate/node/policy.ts';
import { distributionOf, formatDistribution } from '../distribution.ts';
import { progress, say } from '../figures.ts';
import { addressEntries, policyOf, serviceObjects } from './node-corpus.ts';

const ADDRESSES = 100_000;
const SUBJECTS = 250;
const VERDICTS = 400;
const LARGEST = 20_000;
const SERVICES = 10_000;
const RUNS = 5;
const CHANGES = 50;
const PINS = '/sys/fs/bpf/bench';

if (process.getuid?.() !== 0) throw new Error('this needs root: it makes network namespaces');
enterOwnNamespaces();
console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`);

const onFailure = (error: Error) => console.error(error);

async function report(what: string, work: () => Promise<unknown>): Promise<void> {
  const [pauses, times]: [number[], number[]] = [[], []];
  for (let run = 0; run < RUNS; run += 1) {
    await sleep(20);
    const began = performance.now();
    const { ofProcessor } = await longestPausesDuring(async () => void (await work()));
    pauses.push(ofProcessor);
    times.push(performance.now() - began);
  }
  say(
    what,
    `longest pause of each run ${pauses.map((pause) => pause.toFixed(1)).join(', ')} ms; took ${distributionOf(times).p50.toFixed(0)} ms`,
  );
}

using cgroup = new Cgroup();
const datapath = await Datapath.open({ pinFolder: PINS, monitor: 'nothing' });
const open = () => ServiceDatapath.open({ pinFolder: PINS });
const services = new NodeServices({ pinFolder: PINS, open, findCgroup: () => cgroup.folder, onFailure });
const node = new NodeEnforcement({ datapath, onFailure });

progress('writing tables');
const own = translateNodeEndpoints({ node: 'n1', endpoints: [], nodeAddresses: [] });
const put = (upserts: readonly Resource[]) => node.apply({ upserts, removals: [] });
await put(Array.from({ length: SUBJECTS }, (_, index) => translateSubjectPolicy(policyOf(300 + index, index === 0 ? LARGEST : VERDICTS))));
await put(addressEntries(ADDRESSES).map(translateAddress));
await put([own]);
await services.setClients({ name: 'n1', networks: [] });
await services.take(serviceObjects(SERVICES));
await node.reconcile();
await services.reconcile();

await report(`${ADDRESSES} addresses, ${SUBJECTS} subjects of ${VERDICTS} verdicts, one of ${LARGEST}`, () => node.reconcile());
await report(`${SERVICES} Services`, () => services.reconcile());
const waits: number[] = [];
const done = node.reconcile();
for (let change = 0; change < CHANGES; change += 1) {
  const began = performance.now();
  await put([translateAddress({ prefix: `10.200.0.${change}/32`, identity: 300 })]);
  waits.push(performance.now() - began);
  await sleep(5);
}
await done;
say('one more address meanwhile', formatDistribution(distributionOf(waits), 'ms'));
await services[Symbol.asyncDispose]();
await node[Symbol.asyncDispose]();
cleanUpServices(PINS);
datapath.cleanUp();
