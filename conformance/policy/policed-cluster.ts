import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { installManifest, type LabWithSluiceOptions, startLabWithImages, untilInForce } from '../lab/sluice.ts';

const POLICY_MANIFEST = new URL('../../manifests/policy.yaml', import.meta.url);
const READY_WITHIN_S = 120;

/**
 * The manifest that users apply, with the setting that they make. Services stay kube-proxy's: all nodes of a lab have the cgroup tree of
 * this machine, whose root is not theirs.
 */
function installWithPolicies(): string {
  const text = installManifest();
  const settings = ['policy:', '  enabled: true', '  services: false'].map((line) => `    ${line}\n`);
  const policed = text.replace('  sluice.yaml: |\n', `  sluice.yaml: |\n${settings.join('')}`);
  assert.notEqual(policed, text, 'install.yaml has no settings');
  return policed;
}

/** Starts a lab in which network policies are enforced, installed as users do it; resolves when every node does so. */
export async function startPolicedCluster(nodes: number, options: Omit<LabWithSluiceOptions, 'nodes'> = {}): Promise<RunningLab> {
  const lab = await startLabWithImages({ ...options, nodes });
  try {
    await lab.apply(installWithPolicies());
    await lab.apply(readFileSync(POLICY_MANIFEST, 'utf8'));
    await untilInForce(lab);
    await rolledOut(lab, 'daemonset/sluice-enforcer');
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

export async function rolledOut(lab: RunningLab, workload: string, namespace = 'sluice-system'): Promise<void> {
  await lab.kubectl('-n', namespace, 'rollout', 'status', workload, `--timeout=${READY_WITHIN_S}s`);
}

/** A pod with the programs of this machine that answers on some ports. Whoever probes it leaves before it has answered. */
export function answeringPod(name: string, node: string, labels: Readonly<Record<string, string>>, ports: readonly number[]): object {
  const listen = ports.map((port) => `s.createServer((c) => c.on('error', () => {}).end('${name}')).listen(${port}, '::')`).join(';');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'main',
          image: 'lab/host:1',
          command: [process.execPath, '-e', `const s = require('node:net');${listen}`],
          readinessProbe: { tcpSocket: { port: ports[0] }, periodSeconds: 1 },
        },
      ],
    },
  };
}

export async function untilReady(lab: RunningLab, ...pods: readonly string[]): Promise<void> {
  await lab.kubectl('wait', '--for=condition=Ready', `--timeout=${READY_WITHIN_S}s`, ...pods.map((name) => `pod/${name}`));
}

export async function addressOf(lab: RunningLab, pod: string): Promise<string> {
  return (await lab.kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.podIP}')).trim();
}

const ASK = `
const [host, port] = process.argv.slice(1);
const socket = require('node:net').connect({ host, port: Number(port), timeout: 1500 });
const end = (outcome) => { console.log(outcome); process.exit(); };
let text = '';
socket.on('data', (data) => { text += data; }).on('end', () => end(text)).on('timeout', () => end('timeout')).on('error', (error) => end(error.code));`;

/** What a pod hears from an address: who answers, `timeout`, or the error's code. */
export async function askFrom(lab: RunningLab, pod: string, host: string, port: number): Promise<string> {
  return (await lab.kubectl('exec', pod, '--', process.execPath, '-e', ASK, host, String(port))).trim();
}

/** Resolves once that is what is heard. */
export async function untilHeard(lab: RunningLab, pod: string, host: string, port: number, expected: string): Promise<void> {
  await eventually(async () => assert.equal(await askFrom(lab, pod, host, port), expected, `${pod} to ${host}:${port}`), {
    withinMs: 30_000,
  });
}
