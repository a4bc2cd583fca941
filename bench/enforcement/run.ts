// From objects to the kernel: `node bench/enforcement/run.ts [SAMPLES]`, as root. In a lab of namespaces, which is gone when it ends.
import { cpus, release } from 'node:os';
import { EnforcementScene, type JudgedConnection, NAMESPACE, read } from '../../conformance/enforcement/scene.ts';
import type { Pod } from '../../conformance/lab/netns/index.ts';
import type { KubeObject } from '../../kube/index.ts';
import { distribution, progress, say } from '../figures.ts';
import { policyCorpus } from '../policy/corpus.ts';

/** At most 100: each has an address of its own. */
const SAMPLES = Math.min(100, Number(process.argv[2] ?? 100));
const RESTARTS = 10;
/** A pod whose address none of the samples has. */
const KNOWN = 100;
const PORT = 8080;
const OTHER_PORT = 8081;
const CORPUS = { workloads: 1_000, podsPerWorkload: 3, policies: 500 };

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`);
console.log(`${CORPUS.workloads} identities, ${CORPUS.workloads * CORPUS.podsPerWorkload} pods, ${CORPUS.policies} policies, two nodes\n`);
progress('a lab of two nodes');
await using scene = await EnforcementScene.start('routed');
const server = scene.lab.pod('pod-1-1');
const node = scene.lab.node('node-1');
progress('a cluster of policies');
scene.publish(...policyCorpus(CORPUS), policyOf(PORT));
await Promise.all(scene.lab.nodes.map((each) => scene.startAgent(each)));
await scene.inForce();
say('one more pod, of labels that are known', distribution(await morePods('client')));
say('one more pod, of labels that are new', distribution(await morePods()));
say('a policy that changes', distribution(await policyChanges()));
await restarts();

function policyOf(port: number): KubeObject {
  return read({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'server', namespace: NAMESPACE },
    spec: {
      podSelector: { matchLabels: { app: server.name } },
      ingress: [{ from: [{ podSelector: { matchLabels: { kind: 'client' } } }], ports: [{ port }] }],
    },
  });
}

function clientPod(number: number, app: string): KubeObject {
  const ip = ipOf(number);
  return read({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `client-${number}`, namespace: NAMESPACE, uid: `client-${number}`, labels: { app, kind: 'client' } },
    spec: { nodeName: 'node-2', containers: [{ name: 'main' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  });
}

function ipOf(number: number): string {
  return `10.244.1.${100 + (number % 101)}`;
}

/** From the pod's object to when the node of the pod that it may reach lets it through; each is withdrawn again. */
async function morePods(app?: string): Promise<readonly number[]> {
  const times: number[] = [];
  const known = clientPod(KNOWN, app ?? 'known');
  scene.publish(known);
  for (let number = 0; number < SAMPLES; number += 1) {
    const pod = clientPod(number, app ?? `client-${number}`);
    const connection = connectionFrom(ipOf(number), PORT, true);
    times.push(await timed(connection, () => scene.publish(pod)));
    scene.withdraw(pod);
    await scene.untilJudged(node, { ...connection, passes: false });
    await scene.inForce();
  }
  scene.withdraw(known);
  return times;
}

/** From the policy's object to when the new port is open. */
async function policyChanges(): Promise<readonly number[]> {
  const ip = ipOf(0);
  scene.publish(clientPod(0, 'client'));
  await scene.inForce();
  const times: number[] = [];
  for (let number = 0; number < SAMPLES; number += 1) {
    const port = number % 2 === 0 ? OTHER_PORT : PORT;
    times.push(await timed(connectionFrom(ip, port, true), () => scene.publish(policyOf(port))));
    await scene.inForce();
  }
  return times;
}

/** An agent and enforcer that were killed come back to another policy. */
async function restarts(): Promise<void> {
  const connection = (port: number) => connectionFrom(ipOf(0), port, true);
  const [starts, applied]: [number[], number[]] = [[], []];
  for (let number = 0; number < RESTARTS; number += 1) {
    const port = number % 2 === 0 ? OTHER_PORT : PORT;
    await scene.killAgent(node);
    scene.publish(policyOf(port));
    const spawned = monotonicMs();
    await scene.startAgent(node);
    const started = monotonicMs();
    starts.push(started - spawned);
    applied.push(Math.max(0, (await scene.untilJudged(node, connection(port))) - started));
    await scene.inForce();
  }
  say('killed: process to programs in place', distribution(starts));
  say('  from there to the new policy', distribution(applied));
}

function connectionFrom(from: string, port: number, passes: boolean): JudgedConnection {
  return { from, to: addressOf(server), port, passes };
}

async function timed(connection: JudgedConnection, change: () => void): Promise<number> {
  const judged = scene.untilJudged(node, connection);
  const begun = monotonicMs();
  change();
  return (await judged) - begun;
}

function addressOf({ addresses }: Pod): string {
  return addresses.ipv4;
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
