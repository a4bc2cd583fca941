import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../../testkit/capabilities.ts';
import type { RunningLab } from '../lab/index.ts';
import { type Expectation, untilHeard } from './hear.ts';
import { addressOf, answeringPod, untilReady } from './pods.ts';
import { startPolicedCluster } from './policed-cluster.ts';

const PORT = 8080;
const OTHER_PORT = 8081;
/** https://docs.cilium.io/en/stable/network/kubernetes/policy/ */
const NAMESPACE_LABEL = 'k8s:io.kubernetes.pod.namespace';
const SERVER = { matchLabels: { app: 'server' } };
const FRIEND = { matchLabels: { app: 'friend' } };
const STRANGER = { matchLabels: { app: 'stranger' } };
const AT_PORT = [{ ports: [{ port: `${PORT}`, protocol: 'TCP' }] }];

interface Case {
  readonly name: string;
  readonly kind?: 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy';
  readonly spec?: object;
  readonly specs?: readonly object[];
  /** Who asks, where and what is heard there: an address of {@link ADDRESSES}, and a port. */
  readonly heard: readonly (readonly [from: string, to: string, port: number, heard: string])[];
}

const WEB = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: PORT }] },
};

const CASES: readonly Case[] = [
  {
    name: 'endpoints by expressions, and their ports',
    spec: {
      endpointSelector: SERVER,
      ingress: [{ fromEndpoints: [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['friend', 'other'] }] }], toPorts: AT_PORT }],
    },
    heard: [
      ['friend', 'server', PORT, 'server'],
      ['friend', 'server', OTHER_PORT, 'timeout'],
      ['stranger', 'server', PORT, 'timeout'],
      // A selector means pods of the policy's own namespace.
      ['elsewhere/outsider', 'server', PORT, 'timeout'],
      ['@node-1', 'server', OTHER_PORT, 'server'],
      ['@node-2', 'server', PORT, 'timeout'],
      ['@client', 'server', PORT, 'timeout'],
    ],
  },
  {
    name: 'the entity world',
    spec: { endpointSelector: SERVER, ingress: [{ fromEntities: ['world'] }] },
    heard: [
      ['@client', 'server', PORT, 'server'],
      ['@node-2', 'server', PORT, 'timeout'],
      ['friend', 'server', PORT, 'timeout'],
    ],
  },
  {
    name: 'the entity remote-node',
    spec: { endpointSelector: SERVER, ingress: [{ fromEntities: ['remote-node'] }] },
    heard: [
      ['@node-2', 'server', PORT, 'server'],
      ['@client', 'server', PORT, 'timeout'],
      ['friend', 'server', PORT, 'timeout'],
    ],
  },
  {
    name: 'prefixes with exceptions, which are not those of pods',
    spec: { endpointSelector: FRIEND, egress: [{ toCIDRSet: [{ cidr: '10.240.0.0/12', except: ['10.240.0.0/16'] }] }] },
    heard: [
      ['friend', 'outside', PORT, 'outside'],
      ['friend', 'api', 6443, 'timeout'],
      ['friend', 'server', PORT, 'timeout'],
      ['stranger', 'server', PORT, 'server'],
    ],
  },
  {
    name: 'a Service, for the pods behind it',
    spec: { endpointSelector: FRIEND, egress: [{ toServices: [{ k8sService: { serviceName: 'web', namespace: 'default' } }] }] },
    heard: [
      ['friend', 'web', 80, 'server'],
      ['friend', 'stranger', PORT, 'timeout'],
      ['friend', 'outside', PORT, 'timeout'],
    ],
  },
  {
    name: 'a denial, which wins',
    spec: {
      endpointSelector: SERVER,
      ingress: [{ fromEntities: ['all'] }],
      ingressDeny: [{ fromEndpoints: [STRANGER], toPorts: AT_PORT }],
    },
    heard: [
      ['friend', 'server', PORT, 'server'],
      ['elsewhere/outsider', 'server', PORT, 'server'],
      ['stranger', 'server', OTHER_PORT, 'server'],
      ['stranger', 'server', PORT, 'timeout'],
    ],
  },
  {
    name: 'a denial that isolates nobody',
    spec: { endpointSelector: SERVER, enableDefaultDeny: { ingress: false }, ingressDeny: [{ fromEndpoints: [STRANGER] }] },
    heard: [
      ['friend', 'server', PORT, 'server'],
      ['@client', 'server', PORT, 'server'],
      ['stranger', 'server', PORT, 'timeout'],
    ],
  },
  {
    name: 'a rule of layer 7, for which a request is waited for',
    spec: {
      endpointSelector: SERVER,
      ingress: [
        { fromEndpoints: [FRIEND], toPorts: [{ ports: [{ port: `${PORT}`, protocol: 'TCP' }], rules: { http: [{ method: 'GET' }] } }] },
        { fromEndpoints: [FRIEND], toPorts: [{ ports: [{ port: `${OTHER_PORT}`, protocol: 'TCP' }] }] },
      ],
    },
    heard: [
      ['friend', 'server', OTHER_PORT, 'server'],
      ['friend', 'server', PORT, 'silent'],
      ['stranger', 'server', PORT, 'timeout'],
    ],
  },
  {
    name: 'several specs',
    specs: [
      { endpointSelector: SERVER, ingress: [{ fromEndpoints: [FRIEND] }] },
      // A rule that says nothing isolates all the same.
      { endpointSelector: STRANGER, ingress: [{}] },
      { endpointSelector: STRANGER, ingress: [{ fromEndpoints: [FRIEND] }] },
      { endpointSelector: STRANGER, egress: [{ toEndpoints: [FRIEND] }] },
    ],
    heard: [
      ['friend', 'server', PORT, 'server'],
      ['friend', 'stranger', PORT, 'stranger'],
      ['stranger', 'friend', PORT, 'friend'],
      ['elsewhere/outsider', 'server', PORT, 'timeout'],
      ['elsewhere/outsider', 'stranger', PORT, 'timeout'],
      ['stranger', 'outsider', PORT, 'timeout'],
    ],
  },
  {
    name: 'of the whole cluster, by namespace',
    kind: 'CiliumClusterwideNetworkPolicy',
    spec: {
      endpointSelector: { matchLabels: { app: 'server', [NAMESPACE_LABEL]: 'default' } },
      ingress: [{ fromEndpoints: [{ matchLabels: { [NAMESPACE_LABEL]: 'elsewhere' } }] }],
    },
    heard: [
      ['elsewhere/outsider', 'server', PORT, 'server'],
      ['friend', 'server', PORT, 'timeout'],
    ],
  },
];

describe("Cilium's policies on a cluster", { ...needs('cluster', 'root', 'bpf'), timeout: 600_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  let addresses: Readonly<Record<string, string>>;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2));
    const pods = ['server', 'friend', 'stranger', 'elsewhere/outsider'];
    const ports = [PORT, OTHER_PORT];
    await lab.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } }]);
    await lab.apply([
      WEB,
      answeringPod({ name: 'server', node: 'node-1', labels: { app: 'server' }, ports }),
      answeringPod({ name: 'friend', node: 'node-2', labels: { app: 'friend' }, ports }),
      answeringPod({ name: 'stranger', node: 'node-1', labels: { app: 'stranger' }, ports }),
      answeringPod({ name: 'outsider', namespace: 'elsewhere', node: 'node-2', labels: { app: 'friend' }, ports }),
    ]);
    await startOutside();
    await untilReady(lab, ...pods);
    const [server = '', friend = '', stranger = '', outsider = ''] = await Promise.all(pods.map((pod) => addressOf(lab, pod)));
    const web = await lab.kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
    addresses = { server, friend, stranger, outsider, web, outside: '10.241.0.2', api: '10.240.0.1' };
  });
  after(() => cleanUp.disposeAsync());

  /** Somebody who is no part of the cluster. */
  async function startOutside(): Promise<void> {
    const program = fileURLToPath(new URL('answer-program.ts', import.meta.url));
    const env = { ...process.env, NAME: 'outside', PORTS: `${PORT}` };
    const child = lab.spawn([process.execPath, program], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    cleanUp.defer(async () => {
      const ended = once(child, 'exit');
      if (child.kill('SIGKILL')) await ended;
    });
  }

  for (const { name, kind = 'CiliumNetworkPolicy', spec, specs, heard } of CASES) {
    test(name, async () => {
      const namespace = kind === 'CiliumNetworkPolicy' ? { namespace: 'default' } : {};
      await lab.apply([
        { apiVersion: 'cilium.io/v2', kind, metadata: { name: 'tested', ...namespace }, ...(spec && { spec }), ...(specs && { specs }) },
      ]);
      const expected = heard.map(([from, to, port, what]): Expectation => [from, { host: addresses[to] ?? to, port }, what]);
      try {
        await untilHeard(lab, ...expected);
      } finally {
        await lab.kubectl('delete', kind.toLowerCase(), 'tested');
      }
      await untilHeard(lab, ...expected.map(([from, to]): Expectation => [from, to, nameAt(to.host)]));
    });
  }

  /** Who answers there where nothing is denied. */
  function nameAt(address: string): string {
    const [name = ''] = Object.entries(addresses).find(([, one]) => one === address) ?? [];
    return { web: 'server', api: 'silent' }[name] ?? name;
  }
});
