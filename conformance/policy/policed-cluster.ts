import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { installManifest, type LabWithSluiceOptions, startLabWithImages, untilInForce } from '../lab/sluice.ts';

const POLICY_MANIFEST = new URL('../../manifests/policy.yaml', import.meta.url);
const READY_WITHIN_S = 120;

/** The manifest that users apply, with the setting that they make. */
function installWithPolicies(): string {
  const settings = ['policy:', '  enabled: true'].map((line) => `    ${line}\n`);
  return withLines(installManifest(), '  sluice.yaml: |\n', settings);
}

/** The manifest that users apply, changed as is needed where a node is a container: it sees a part of the cgroup tree. */
function enforcerManifest(): string {
  return withLines(readFileSync(POLICY_MANIFEST, 'utf8'), '            - --pin-folder=/sys/fs/bpf/sluice\n', [
    '            - --cgroup=/host/sys/fs/cgroup\n',
  ]);
}

function withLines(text: string, before: string, lines: readonly string[]): string {
  const changed = text.replace(before, `${before}${lines.join('')}`);
  assert.notEqual(changed, text, `the manifest has no ${before}`);
  return changed;
}

/** Starts a lab in which network policies are enforced, installed as users do it; resolves when every node does so. */
export async function startPolicedCluster(nodes: number, options: Omit<LabWithSluiceOptions, 'nodes'> = {}): Promise<RunningLab> {
  const lab = await startLabWithImages({ ...options, nodes });
  try {
    await lab.apply(installWithPolicies());
    await lab.apply(enforcerManifest());
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
