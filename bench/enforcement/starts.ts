// node bench/enforcement/starts.ts [PODS]: how long after its device is made a pod is judged, and may talk, before anybody tells its address. As root,
// in namespaces of its own, which are gone when it ends.
import { cpus, release } from 'node:os';
import { awaitedObject, EnforcementScene, NAMESPACE, read } from '../../conformance/enforcement/scene.ts';
import { distribution, progress, say } from '../figures.ts';

const [PODS = '20'] = process.argv.slice(2);
const PORT = 8080;
const NODE = 'node-1';
const POLICY = read({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'isolated', namespace: NAMESPACE },
  spec: { podSelector: { matchLabels: { app: 'isolated' } }, policyTypes: ['Ingress', 'Egress'], egress: [{ ports: [{ port: PORT }] }] },
});

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`);
await using scene = await EnforcementScene.start('routed');
const node = scene.lab.node(NODE);
const server = scene.lab.pod('pod-2-1');
await server.prober.serve('TCP', PORT);
await Promise.all(scene.lab.nodes.map((each) => scene.startAgent(each)));

/** Milliseconds from when a pod's device is there with its addresses, as a network plugin returns, until something is so. */
async function start(name: string, app: string, until: (name: string) => Promise<boolean>): Promise<number> {
  const awaited = awaitedObject(name, NODE, { app });
  scene.publish(awaited);
  await scene.inForce();
  await scene.lab.addPod({ name, node: NODE });
  const began = performance.now();
  while (!(await until(name)));
  const took = performance.now() - began;
  scene.withdraw(awaited);
  await scene.lab.removePod(name);
  return took;
}

async function report(what: string, app: string, until: (name: string) => Promise<boolean>): Promise<void> {
  progress(what);
  const times: number[] = [];
  for (let count = 0; count < Number(PODS); count += 1) times.push(await start(`${app}-${what.length}-${count}`, app, until));
  say(what, distribution(times));
}

const talks = async (name: string) => {
  const probe = { protocol: 'TCP', to: server.addresses.ipv4, port: PORT, timeoutMs: 1_000 } as const;
  return (await scene.lab.pod(name).prober.probe(probe)) === 'answered';
};
const isJudged = async (name: string) => {
  const { device } = scene.lab.pod(name).plan;
  return (await scene.newcomers(node)).some((newcomer) => newcomer.device === device);
};
await report('talks, without any policy', 'free', talks);
scene.publish(POLICY);
await scene.inForce();
await report('talks, none isolates it', 'free', talks);
await report('talks, isolated and allowed to', 'isolated', talks);
await report('is judged, isolated', 'isolated', isJudged);
