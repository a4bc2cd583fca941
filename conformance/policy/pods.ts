import { fileURLToPath } from 'node:url';
import type { RunningLab } from '../lab/index.ts';

const PROGRAM = fileURLToPath(new URL('answer-program.ts', import.meta.url));
const READY_WITHIN_S = 120;

export interface AnsweringPod {
  readonly name: string;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where it says its name. */
  readonly ports: readonly number[];
  /** Where it sends something all the time. Default: nowhere. */
  readonly streamPorts?: readonly number[];
  /** Default: `default`. */
  readonly namespace?: string;
  /** Of its container, such as other probes. Default: that the kubelet can connect to its first port. */
  readonly probes?: object;
  /** What else there is to say of it. */
  readonly spec?: object;
}

/** A pod that answers, with the programs of this machine. */
export function answeringPod(pod: AnsweringPod): object {
  const { name, node, labels, ports, streamPorts = [], namespace = 'default', spec = {} } = pod;
  const { probes = { readinessProbe: { tcpSocket: { port: ports[0] }, periodSeconds: 1 } } } = pod;
  const env = Object.entries({ NAME: name, PORTS: ports.join(), STREAM_PORTS: streamPorts.join() });
  const main = {
    name: 'main',
    image: 'lab/host:1',
    command: [process.execPath, PROGRAM],
    env: env.map(([name, value]) => ({ name, value })),
    ...probes,
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [main], ...spec },
  };
}

export async function untilReady(lab: RunningLab, ...pods: readonly string[]): Promise<void> {
  await Promise.all(
    pods.map(async (pod) => {
      const { namespace, name } = podOf(pod);
      await lab.kubectl('-n', namespace, 'wait', '--for=condition=Ready', `--timeout=${READY_WITHIN_S}s`, `pod/${name}`);
    }),
  );
}

export async function addressOf(lab: RunningLab, pod: string): Promise<string> {
  const { namespace, name } = podOf(pod);
  return (await lab.kubectl('-n', namespace, 'get', 'pod', name, '-o', 'jsonpath={.status.podIP}')).trim();
}

/** @param pod `NAME` in the namespace `default`, or `NAMESPACE/NAME` */
export function podOf(pod: string): { readonly namespace: string; readonly name: string } {
  const [first = '', second] = pod.split('/');
  return second === undefined ? { namespace: 'default', name: first } : { namespace: first, name: second };
}
