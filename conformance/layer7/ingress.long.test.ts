import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, MTU, NETWORKS } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { proxiedServices, proxyServices } from './kube-proxy-tables.ts';
import { countPathMessages, pathMessages } from './path-messages.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { askIngress, HOLDER, HTTP_PORT, hostOf, ofIngress, served } from './served-by-ingress.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const DENIED = 'Access denied\r\n';
const LARGE_BYTES = 3_000_000;
const BOTH_WAYS = { method: 'POST', body: 'x'.repeat(LARGE_BYTES), answerBytes: LARGE_BYTES } as const;
/** Of what the last link to a pod takes, where that is less than what anybody else knows of. */
const NARROW = 1_300;

const PODS = [
  { name: 'near', node: 'node-1', labels: { app: 'near' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
  { name: 'holder-1', node: 'node-1', ...HOLDER },
  { name: 'holder-2', node: 'node-2', ...HOLDER },
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  // Whoever sets the label elsewhere is who he is.
  { name: 'pretender', node: 'node-1', labels: { ...HOLDER.labels, app: 'pretender' } },
] as const;
const SERVERS = ['near', 'far'] as const;

/** Of Envoy's answers where a backend is not reached: refused, and not in time. */
const UNREACHED = new Set(['503', '504', 'timeout']);

const taking = (server: string, rule: Manifest) => ciliumPolicy({ name: `to-${server}`, app: server, ingress: [rule] });

function asking(labOf: () => SteeredLab) {
  const ask = (server: string, family: Family, path: string, rest: Partial<HttpAsk> = {}): Promise<HttpOutcome> =>
    askIngress(labOf(), server, family, { path, ...rest });
  const isUnreached = async (server: string, family: Family) => {
    const before = (await labOf().peer(server).served()).length;
    const word = wordOf(await ask(server, family, '/in', { timeoutMs: 1_500 }));
    assert.ok(UNREACHED.has(word), word);
    assert.equal((await labOf().peer(server).served()).length, before);
  };
  return { ask, isUnreached };
}

for (const network of NETWORKS) {
  describe(`Ingresses and policies, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network, pods: PODS, address: '::' }));
      for (const server of [...SERVERS, 'pretender']) await lab.peer(server).serve();
      lab.write(
        'ingresses',
        SERVERS.flatMap((server) => served(lab, server)),
      );
      for (const server of SERVERS) {
        for (const family of FAMILIES) {
          await eventually(async () => assert.equal(seenBy(await ask(server, family, '/')).from, ingressAddress(family)));
        }
      }
      await proxyServices(lab.lab, 'iptables', proxiedServices(lab.lab, ...SERVERS));
    });
    after(() => cleanUp.disposeAsync());

    const { ask, isUnreached } = asking(() => lab);
    const ingressAddress = (family: Family) => lab.lab.pod('holder-1').addresses[family];

    for (const family of FAMILIES) {
      test(`are reached by whom a policy for them allows, as who he is, ${family}`, async () => {
        const to = lab.lab.node('node-1').plan.addresses[family];
        const reach = async (from: string) =>
          wordOf(await lab.peer(from).ask({ to, port: HTTP_PORT, headers: { host: hostOf('near', family) }, timeoutMs: 1_500 }));
        const reached = async () => await Promise.all(['client', 'far', 'outside', 'node-1', 'node-2'].map(reach));
        await lab.set('policies', []);
        assert.deepEqual(await reached(), ['200', '200', '200', '200', '200']);
        const matchLabels = { 'k8s:app': 'client', 'k8s:io.kubernetes.pod.namespace': 'default' };
        await lab.set('policies', [ofIngress({ ingress: [{ fromEndpoints: [{ matchLabels }] }] })]);
        assert.deepEqual(await reached(), ['200', 'timeout', 'timeout', '200', 'timeout']);
        await lab.set('policies', [ofIngress({ ingress: [{ fromEntities: ['world'], toPorts: [tcpPort(HTTP_PORT)] }] })]);
        assert.deepEqual(await reached(), ['timeout', 'timeout', '200', '200', 'timeout']);
        await lab.set('policies', [ofIngress({ ingress: [{ fromEntities: ['all'], toPorts: [tcpPort(80)] }] })]);
        assert.deepEqual(await reached(), ['timeout', 'timeout', 'timeout', '200', 'timeout']);
      });

      test(`reach a pod behind a link that takes smaller packets, ${family}`, async () => {
        await lab.set('policies', []);
        await countPathMessages(...lab.lab.nodes);
        await lab.lab.narrow(NARROW);
        assert.equal(wordOf(await ask('far', family, '/', BOTH_WAYS)), '200');
        assert.ok((await pathMessages(lab.lab.node('node-1'), family)) > 0, 'the node with Envoy is told');
        await lab.lab.narrow(MTU[network]);
      });

      for (const server of SERVERS) {
        test(`have the node's ingress address for a pod ${server}, ${family}`, async () => {
          await lab.set('policies', []);
          assert.equal(seenBy(await ask(server, family, '/')).from, ingressAddress(family));
          assert.equal(wordOf(await ask(server, family, '/', BOTH_WAYS)), '200');
        });

        test(`get to a pod ${server} that allows them, ${family}`, async () => {
          await lab.set('policies', [taking(server, { fromEntities: ['ingress'], toPorts: [tcpPort(80)] })]);
          assert.equal(seenBy(await ask(server, family, '/in')).from, ingressAddress(family));
          assert.equal(wordOf(await ask(server, family, '/', BOTH_WAYS)), '200');
        });

        test(`do not get to a pod ${server} as its node, another, or a pod with the label, ${family}`, async () => {
          const rule = { fromEntities: ['host', 'remote-node', 'world'], toPorts: [tcpPort(80)] };
          await lab.set('policies', [taking(server, rule)]);
          await isUnreached(server, family);
          await lab.set('policies', [taking(server, { fromEndpoints: app('pretender'), toPorts: [tcpPort(80)] })]);
          await isUnreached(server, family);
          const direct = await lab.peer('pretender').ask({ to: lab.lab.pod(server).addresses[family] });
          assert.equal(wordOf(direct), '200');
        });

        test(`are asked for what they may of a pod ${server}, ${family}`, async () => {
          const toPorts = [tcpPort(80, [{ method: 'GET|POST', path: '/in' }])];
          await lab.set('policies', [taking(server, { fromEntities: ['ingress'], toPorts })]);
          assert.equal(seenBy(await ask(server, family, '/in')).from, ingressAddress(family));
          const denied = await ask(server, family, '/out');
          assert.deepEqual('body' in denied && [denied.status, denied.body], [403, DENIED]);
          assert.equal(wordOf(await ask(server, family, '/in', BOTH_WAYS)), '200');
        });

        test(`may go where a policy for them says, which is not a pod ${server}, ${family}`, async () => {
          const other = server === 'near' ? 'far' : 'near';
          const rule = { egress: [{ toEndpoints: [{ matchLabels: { 'k8s:app': other, 'k8s:io.kubernetes.pod.namespace': 'default' } }] }] };
          await lab.set('policies', [ofIngress(rule)]);
          assert.equal(wordOf(await ask(other, family, '/in')), '200');
          await isUnreached(server, family);
        });
      }
    }
  });
}

describe('Ingresses of a node without an address for them', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  after(() => cleanUp.disposeAsync());
  const start = async (nodes: number, servers: readonly ('near' | 'far')[]) => {
    const pods = PODS.filter(({ name }) => servers.some((server) => server === name));
    const lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes, pods }));
    for (const server of servers) await lab.peer(server).serve();
    const { ask } = asking(() => lab);
    lab.write(
      'ingresses',
      servers.flatMap((server) => served(lab, server)),
    );
    for (const server of servers)
      for (const family of FAMILIES) await eventually(async () => assert.equal(wordOf(await ask(server, family, '/')), '200'));
    return lab;
  };

  test('are known by their packets where there is no other node', async () => {
    const lab = await start(1, ['near']);
    const { ask, isUnreached } = asking(() => lab);
    for (const family of FAMILIES) {
      await lab.set('policies', [taking('near', { fromEntities: ['ingress'], toPorts: [tcpPort(80)] })]);
      assert.equal(wordOf(await ask('near', family, '/in')), '200');
      await lab.set('policies', [taking('near', { fromEntities: ['host', 'world'], toPorts: [tcpPort(80)] })]);
      await isUnreached('near', family);
      assert.equal(wordOf(await lab.peer('node-1').ask({ to: lab.lab.pod('near').addresses[family] })), '200', 'which its node reaches');
    }
  });

  test('reach no pod where there is a policy and another node, and all without any', async () => {
    const lab = await start(2, ['near', 'far']);
    const { ask, isUnreached } = asking(() => lab);
    await lab.set('policies', [taking('near', { fromEntities: ['ingress'] })]);
    for (const server of SERVERS) for (const family of FAMILIES) await isUnreached(server, family);
    await lab.set('policies', []);
    for (const server of SERVERS) for (const family of FAMILIES) assert.equal(wordOf(await ask(server, family, '/in')), '200');
  });
});
