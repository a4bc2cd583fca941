import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { type HttpAsk, seenBy, wordOf } from './http-peer.ts';
import { KUBE_PROXY_MODES, kubeProxyTables, type ProxiedService } from './kube-proxy-tables.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const LARGE = 'x'.repeat(300_000);
const SERVICES = { ipv4: '10.96.0.0/16', ipv6: 'fd00:96::/112' } as const;
const SERVERS = ['near', 'far'] as const;
type Server = (typeof SERVERS)[number];
const CLUSTER_ADDRESSES: Readonly<Record<Server, Readonly<Record<Family, string>>>> = {
  near: { ipv4: '10.96.0.10', ipv6: 'fd00:96::10' },
  far: { ipv4: '10.96.0.11', ipv6: 'fd00:96::11' },
};

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'stranger', node: 'node-1', labels: { app: 'stranger' } },
  { name: 'near', node: 'node-1', labels: { app: 'server' } },
  { name: 'far', node: 'node-2', labels: { app: 'server' } },
] as const;

const INGRESS = ciliumPolicy({
  name: 'server',
  app: 'server',
  ingress: [
    { fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ path: '/(in|both)' }])] },
    { fromEndpoints: app('server'), toPorts: [tcpPort(80, [{ path: '/own' }])] },
    { fromEntities: ['remote-node'], toPorts: [tcpPort(80, [{ path: '/in' }])] },
  ],
});
const OUT = [tcpPort(80, [{ path: '/(out|both)' }])];
/** Whoever is translated by rules of Netfilter asks for the address of a Service. */
const TO_SERVICES = ciliumPolicy({ name: 'client', app: 'client', egress: [{ toCIDR: Object.values(SERVICES), toPorts: OUT }] });
/** Whoever is translated at the socket asks for a pod. */
const TO_PODS = ciliumPolicy({ name: 'client', app: 'client', egress: [{ toEndpoints: app('server'), toPorts: OUT }] });

for (const mode of KUBE_PROXY_MODES) {
  describe(`beside rules of kube-proxy's ${mode} mode, pods that ask for Services`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
      const services = SERVERS.map((name): ProxiedService => {
        return { name, clusterAddresses: CLUSTER_ADDRESSES[name], port: 80, backend: lab.lab.pod(name).addresses };
      });
      for (const node of lab.lab.nodes) await node.run(['nft', '-f', '-'], kubeProxyTables(mode, services));
      for (const server of SERVERS) await lab.peer(server).serve();
    });
    after(() => cleanUp.disposeAsync());

    const ask = (from: string, server: Server, family: Family, path: string, more: Pick<HttpAsk, 'method' | 'body' | 'timeoutMs'> = {}) =>
      lab.peer(from).ask({ to: CLUSTER_ADDRESSES[server][family], path, timeoutMs: 10_000, ...more });
    const words = async (from: string, server: Server, family: Family) => {
      const asked = ['/in', '/out', '/both', '/neither'].map(async (path) => [path, wordOf(await ask(from, server, family, path))]);
      return Object.fromEntries(await Promise.all(asked));
    };
    const seenFrom = async (server: Server, family: Family, path: string) => seenBy(await ask('client', server, family, path)).from;

    for (const server of SERVERS) {
      for (const family of FAMILIES) {
        test(`a pod ${server} that asks for its own Service and is masqueraded, ${family}`, async () => {
          lab.write('services', []);
          await lab.set('policies', [INGRESS]);
          assert.equal(seenBy(await ask(server, server, family, '/own')).from, lab.lab.pod(server).plan.node.addresses[family]);
          assert.equal(wordOf(await ask(server, server, family, '/in')), '403', 'it is known as itself');
        });
      }
    }

    for (const isTranslated of [false, true]) {
      const by = isTranslated ? 'at the socket' : 'by these rules';
      const egress = isTranslated ? TO_PODS : TO_SERVICES;
      for (const server of SERVERS) {
        for (const family of FAMILIES) {
          test(`a pod ${server}, translated ${by}, ${family}`, async () => {
            const address = lab.lab.pod('client').addresses[family];
            lab.write('services', isTranslated ? SERVERS.flatMap((name) => serviceManifests(name, lab.lab.pod(name).addresses)) : []);
            await lab.set('policies', [egress]);
            // What is asked for is known by what is allowed to be.
            await eventually(async () => assert.equal(wordOf(await ask('client', server, family, '/out', { timeoutMs: 500 })), '200'));
            await lab.set('policies', [INGRESS]);
            assert.deepEqual(await words('client', server, family), { '/in': '200', '/out': '403', '/both': '200', '/neither': '403' });
            assert.equal(await seenFrom(server, family, '/in'), address);
            assert.equal(wordOf(await ask('client', server, family, '/in', { method: 'POST', body: LARGE })), '200');
            assert.equal(wordOf(await ask('stranger', server, family, '/in', { timeoutMs: 1_000 })), 'timeout');
            assert.equal(wordOf(await ask('node-1', server, family, '/out')), server === 'near' ? '200' : '403');
            assert.equal(wordOf(await ask('node-1', server, family, '/in')), '200');
            await lab.set('policies', [egress]);
            assert.deepEqual(await words('client', server, family), { '/in': '403', '/out': '200', '/both': '200', '/neither': '403' });
            assert.equal(await seenFrom(server, family, '/out'), address);
            assert.equal(wordOf(await ask('client', server, family, '/out', { method: 'POST', body: LARGE })), '200');
            await lab.set('policies', [egress, INGRESS]);
            assert.deepEqual(await words('client', server, family), { '/in': '403', '/out': '403', '/both': '200', '/neither': '403' });
            assert.equal(await seenFrom(server, family, '/both'), address);
            assert.equal(wordOf(await ask('client', server, family, '/both', { method: 'POST', body: LARGE })), '200');
          });
        }
      }
    }
  });
}

function serviceManifests(name: Server, addresses: Readonly<Record<Family, string>>): readonly Manifest[] {
  const clusterIPs = Object.values(CLUSTER_ADDRESSES[name]);
  const ports = [{ port: 80 }];
  const slices = FAMILIES.map((family) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${family}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
    endpoints: [{ addresses: [addresses[family]], conditions: { ready: true } }],
    ports,
  }));
  const spec = { clusterIP: clusterIPs[0], clusterIPs, selector: { app: name }, ports };
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }, ...slices];
}
