import { cpus } from 'node:os';
import { PolicyEngine } from '../../policy/index.ts';
import { distributionOf, formatDistribution } from '../distribution.ts';
import { type PolicyCorpusSize, podObject, policyCorpus } from './corpus.ts';

const SAMPLES = 200;

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}\n`);
measure({ workloads: 1_000, podsPerWorkload: 3, policies: 500 });
measure({ workloads: 10_000, podsPerWorkload: 1, policies: 500 });

/** Compiles a cluster from nothing, and then one more pod of known labels, and one of new labels, at a time. */
function measure(size: PolicyCorpusSize): void {
  const objects = [...policyCorpus(size)];
  const pods = size.workloads * size.podsPerWorkload;
  console.log(`${size.workloads} identities, ${pods} pods, ${size.policies} policies`);
  const before = heapUsed();
  const engine = new PolicyEngine();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  for (const object of objects) engine.put(object);
  const { policies } = engine.flush();
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(cpuBefore);
  const verdicts = policies.upserts.reduce((sum, { ingress, egress }) => sum + ingress.verdicts.length + egress.verdicts.length, 0);
  console.log(
    `  compiled from nothing     ${took.toFixed(0)} ms (${((user + system) / 1000).toFixed(0)} ms of processors), ${verdicts} verdicts`,
  );
  console.log(`  memory                    ${((heapUsed() - before) / 2 ** 20).toFixed(0)} MB beside the objects themselves`);
  const known = Array.from({ length: SAMPLES }, (_, index) => timeOf(engine, podObject(index % size.workloads, pods + index)));
  console.log(`  one more pod              ${formatDistribution(distributionOf(known), 'ms')}`);
  const fresh = Array.from({ length: SAMPLES / 4 }, (_, index) =>
    timeOf(engine, podObject(index % size.workloads, pods + SAMPLES + index, `new-${index}`)),
  );
  console.log(`  one more identity         ${formatDistribution(distributionOf(fresh), 'ms')}\n`);
}

function timeOf(engine: PolicyEngine, object: Parameters<PolicyEngine['put']>[0]): number {
  const began = performance.now();
  engine.put(object);
  engine.flush();
  return performance.now() - began;
}

/** Of the heap, after what can be collected is. */
function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
