import { cpus } from 'node:os';
import { PolicyEngine } from '../../policy/index.ts';
import { distributionOf, formatDistribution } from '../distribution.ts';
import { editedPolicy, type PolicyCorpusSize, podObject, policyCorpus } from './corpus.ts';

const SAMPLES = 200;

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}\n`);
measure({ workloads: 1_000, podsPerWorkload: 3, policies: 500 });
measure({ workloads: 10_000, podsPerWorkload: 1, policies: 500 });
measure({ workloads: 1_000, podsPerWorkload: 3, policies: 500, layer7: true });

/** Compiles a cluster from nothing, and then one more pod of known labels, and one of new labels, at a time. */
function measure(size: PolicyCorpusSize): void {
  const objects = [...policyCorpus(size)];
  const pods = size.workloads * size.podsPerWorkload;
  console.log(`${size.workloads} identities, ${pods} pods, ${size.policies} policies${size.layer7 ? ' with rules of layer 7' : ''}`);
  const before = heapUsed();
  const engine = new PolicyEngine();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  for (const object of objects) engine.put(object);
  const { policies, slots } = engine.flush();
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(cpuBefore);
  const verdicts = policies.upserts.reduce((sum, { ingress, egress }) => sum + ingress.verdicts.length + egress.verdicts.length, 0);
  console.log(
    `  compiled from nothing     ${took.toFixed(0)} ms (${((user + system) / 1000).toFixed(0)} ms of processors), ${verdicts} verdicts, ${slots.upserts.length} slots`,
  );
  console.log(`  memory                    ${((heapUsed() - before) / 2 ** 20).toFixed(0)} MB beside the objects themselves`);
  const known = Array.from({ length: SAMPLES }, (_, index) => timeOf(engine, podObject(index % size.workloads, pods + index)));
  console.log(`  one more pod              ${formatDistribution(distributionOf(known), 'ms')}`);
  const fresh = Array.from({ length: SAMPLES / 4 }, (_, index) =>
    timeOf(engine, podObject(index % size.workloads, pods + SAMPLES + index, `new-${index}`)),
  );
  console.log(`  one more identity         ${formatDistribution(distributionOf(fresh), 'ms')}`);
  if (size.layer7) {
    const namespaces = size.workloads / 20;
    const edits = Array.from({ length: SAMPLES }, (_, index) =>
      timeOf(engine, editedPolicy((2 * index + 1) % size.policies, namespaces, index)),
    );
    console.log(`  one rule edited           ${formatDistribution(distributionOf(edits), 'ms')}`);
  }
  console.log('');
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
