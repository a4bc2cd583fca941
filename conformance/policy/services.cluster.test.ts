import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { ask, type Expectation, untilHeard } from './hear.ts';
import { answeringPod, untilReady } from './pods.ts';
import { startPolicedCluster } from './policed-cluster.ts';

const PORT = 8080;
const NODE_PORT = 30080;
const LOCAL_NODE_PORT = 30081;
const EXTERNAL_IP = '192.0.2.80';
const BOTH = 'server-1 server-2';
/** So often that each of two was most likely chosen. */
const OFTEN = { times: 12 };
const OUTSIDE = '10.241.0.2/32';
const DNS = '10.240.0.1/32';

const PORTS = [
  { name: 'tcp', protocol: 'TCP', port: 80, targetPort: PORT },
  { name: 'udp', protocol: 'UDP', port: 80, targetPort: PORT },
];
const TCP_PORTS = PORTS.slice(0, 1);

/** By their names, each of which is that of its tests. */
const SERVICES: Readonly<Record<string, object>> = {
  web: { ports: PORTS },
  'web-node': { type: 'NodePort', ports: TCP_PORTS.map((port) => ({ ...port, nodePort: NODE_PORT })) },
  'web-balanced': { type: 'LoadBalancer' },
  'web-balanced-local': { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
  'web-external': { externalIPs: [EXTERNAL_IP] },
  'web-sticky': { sessionAffinity: 'ClientIP' },
  'web-here': { internalTrafficPolicy: 'Local' },
  'web-outside': {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    ports: TCP_PORTS.map((port) => ({ ...port, nodePort: LOCAL_NODE_PORT })),
  },
  draining: { selector: { app: 'draining' } },
  'draining-here': { selector: { app: 'draining' }, internalTrafficPolicy: 'Local' },
  other: { selector: { app: 'other' } },
  'closed-balanced': { selector: { app: 'closed' }, type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
};

const POLICIES = [
  policy(
    'client',
    { app: 'client' },
    {
      egress: [
        {
          to: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['server', 'draining'] }] } }],
          ports: everyProtocol(PORT),
        },
        { to: [{ ipBlock: { cidr: DNS } }], ports: everyProtocol(53) },
      ],
      policyTypes: ['Egress'],
    },
  ),
  policy(
    'server',
    { app: 'server' },
    {
      ingress: [
        { from: [{ podSelector: { matchLabels: { app: 'client' } } }, { ipBlock: { cidr: OUTSIDE } }], ports: everyProtocol(PORT) },
      ],
    },
  ),
  policy('closed', { app: 'closed' }, { policyTypes: ['Ingress'] }),
];

const slicesView = z.object({
  items: z.array(
    z.object({
      endpoints: z.array(z.object({ conditions: z.object({ serving: z.boolean(), terminating: z.boolean() }) })).nullable(),
    }),
  ),
});

const statusView = z.object({ enforcement: z.object({ services: z.object({ inForce: z.boolean(), translations: z.int() }) }) });

describe('Services that policed pods ask, beside kube-proxy', { ...needs('cluster', 'root', 'bpf'), timeout: 600_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2));
    const pod = (name: string, node: string, app: string, spec = {}) => answeringPod({ name, node, labels: { app }, ports: [PORT], spec });
    await lab.apply([
      ...POLICIES,
      ...Object.entries(SERVICES).map(([name, spec]) => service(name, spec)),
      pod('server-1', 'node-1', 'server'),
      pod('server-2', 'node-2', 'server'),
      pod('client', 'node-1', 'client'),
      pod('client-2', 'node-2', 'client'),
      pod('draining', 'node-2', 'draining', { terminationGracePeriodSeconds: 600 }),
      pod('other', 'node-2', 'other'),
      pod('closed', 'node-2', 'closed'),
    ]);
    await untilReady(lab, 'server-1', 'server-2', 'client', 'client-2', 'draining', 'other', 'closed');
  });
  after(() => cleanUp.disposeAsync());

  async function clusterAddress(name: string): Promise<string> {
    return await lab.kubectl('get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}');
  }

  async function balancedAddress(name: string): Promise<string> {
    return await eventually(async () => {
      const address = await lab.kubectl('get', 'service', name, '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}');
      assert.notEqual(address, '', `${name} has no address`);
      return address;
    });
  }

  test('by a ClusterIP, of TCP and UDP, and by name, lead to whom policy allows', async () => {
    const host = await clusterAddress('web');
    await untilHeard(
      lab,
      ['client', { host, port: 80, ...OFTEN }, BOTH],
      ['client', { host, port: 80, protocol: 'UDP', ...OFTEN }, BOTH],
      ['client', { host: 'web.default.svc.cluster.local', port: 80, ...OFTEN }, BOTH],
      ['client-2', { host, port: 80, ...OFTEN }, BOTH],
      ['client', { host: await clusterAddress('other'), port: 80 }, 'timeout'],
    );
  });

  test("by a node's port, a load balancer's address or an external one lead to all nodes", async () => {
    const [own = '', other = ''] = lab.nodes.map(({ address }) => address);
    await untilHeard(
      lab,
      ['client', { host: own, port: NODE_PORT, ...OFTEN }, BOTH],
      ['client', { host: own, port: LOCAL_NODE_PORT, ...OFTEN }, BOTH],
      ['client', { host: await balancedAddress('web-balanced'), port: 80, ...OFTEN }, BOTH],
      ['client', { host: await balancedAddress('web-balanced-local'), port: 80, ...OFTEN }, BOTH],
      ['client', { host: EXTERNAL_IP, port: 80, ...OFTEN }, BOTH],
      // Ports of another node are that node's, which this policy does not allow.
      ['client', { host: other, port: NODE_PORT }, 'timeout'],
      ['client', { host: own, port: NODE_PORT + 100 }, 'ECONNREFUSED'],
    );
  });

  test('with affinity stay with one, and with a local policy on their node', async () => {
    const sticky = await clusterAddress('web-sticky');
    for (const from of ['client', 'client-2']) {
      const [heard = []] = await ask(lab, from, { host: sticky, port: 80, ...OFTEN });
      assert.equal(new Set(heard).size, 1, `${from}: ${heard}`);
      assert.match(heard[0] ?? '', /^server-[12]$/);
    }
    const here = await clusterAddress('web-here');
    await untilHeard(
      lab,
      ['client', { host: here, port: 80, ...OFTEN }, 'server-1'],
      ['client-2', { host: here, port: 80, ...OFTEN }, 'server-2'],
      ['client', { host: await clusterAddress('draining-here'), port: 80 }, 'ECONNREFUSED'],
    );
  });

  test('from outside are led by kube-proxy, and judged by who asks', async () => {
    const [first = '', second = ''] = lab.nodes.map(({ address }) => address);
    const expected: readonly Expectation[] = [
      ['@client', { host: await balancedAddress('web-balanced-local'), port: 80, times: 24 }, BOTH],
      ['@client', { host: first, port: LOCAL_NODE_PORT, ...OFTEN }, 'server-1'],
      ['@client', { host: second, port: LOCAL_NODE_PORT, ...OFTEN }, 'server-2'],
      ['@client', { host: await balancedAddress('closed-balanced'), port: 80 }, 'timeout'],
    ];
    await untilHeard(lab, ...expected);
  });

  test('whose only backend ends lead there as long as it answers, and are refused then', async () => {
    const host = await clusterAddress('draining');
    await untilHeard(lab, ['client', { host, port: 80 }, 'draining']);
    await lab.kubectl('delete', 'pod', 'draining', '--wait=false');
    await eventually(async () => {
      const slices = await lab.kubectl('get', 'endpointslices', '-l', 'kubernetes.io/service-name=draining', '-o', 'json');
      const [slice] = slicesView.parse(JSON.parse(slices)).items;
      assert.deepEqual(slice?.endpoints, [{ conditions: { serving: true, terminating: true } }]);
    });
    await untilHeard(lab, ['client', { host, port: 80, ...OFTEN }, 'draining']);
    await lab.kubectl('delete', 'pod', 'draining', '--grace-period=0', '--force', '--wait=false');
    await untilHeard(lab, ['client', { host, port: 80 }, 'ECONNREFUSED']);
  });

  test('are translated at the socket on every node, and by the rules of kube-proxy for who is no process of it', async () => {
    const web = await clusterAddress('web');
    for (const { name } of lab.nodes) {
      const { stdout } = await lab.run(['curl', '-s', 'http://127.0.0.1:15011/status'], { where: name });
      const { enforcement } = statusView.parse(JSON.parse(stdout));
      assert.equal(enforcement.services.inForce, true);
      assert.ok(enforcement.services.translations >= Object.keys(SERVICES).length, stdout);
      const rules = await lab.run(['nft', 'list', 'table', 'ip', 'kube-proxy'], { where: name });
      assert.ok(rules.stdout.includes(web), rules.stderr);
      await untilHeard(lab, [`@${name}`, { host: await clusterAddress('other'), port: 80 }, 'other']);
    }
  });
});

function policy(name: string, matchLabels: object, spec: object): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'default' },
    spec: { podSelector: { matchLabels }, ...spec },
  };
}

function everyProtocol(port: number): readonly object[] {
  return ['TCP', 'UDP'].map((protocol) => ({ protocol, port }));
}

function service(name: string, spec: object): object {
  const usual = { selector: { app: 'server' }, ports: TCP_PORTS };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { ...usual, ...spec } };
}
