import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, NETWORKS, type Network, type Pod } from '../lab/netns/index.ts';
import { type HttpAsk, seenBy, wordOf } from './http-peer.ts';
import { KUBE_PROXY_MODES, type ProxiedService, proxiedServices, proxyServices, SERVICE_NETWORK } from './kube-proxy-tables.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const LARGE_BYTES = 300_000;
const SERVERS = ['near', 'far'] as const;
type Server = (typeof SERVERS)[number];

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
const TO_SERVICES = ciliumPolicy({ name: 'client', app: 'client', egress: [{ toCIDR: Object.values(SERVICE_NETWORK), toPorts: OUT }] });
/** Whoever is translated at the socket asks for a pod. */
const TO_PODS = ciliumPolicy({ name: 'client', app: 'client', egress: [{ toEndpoints: app('server'), toPorts: OUT }] });

const PATHS = ['/in', '/out', '/both', '/neither'] as const;
type Path = (typeof PATHS)[number];

interface Stage {
  readonly where: string;
  readonly isAtServer: boolean;
  readonly isAtClient: boolean;
  /** Those which are allowed. */
  readonly allowed: readonly [Path, ...Path[]];
}
const STAGES: readonly Stage[] = [
  { where: 'at the server', isAtServer: true, isAtClient: false, allowed: ['/in', '/both'] },
  { where: 'at the client', isAtServer: false, isAtClient: true, allowed: ['/out', '/both'] },
  { where: 'at both', isAtServer: true, isAtClient: true, allowed: ['/both'] },
];

for (const network of NETWORKS) {
  describe(`beside rules of kube-proxy, pods that ask for Services, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    let services: readonly ProxiedService[];
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network, pods: PODS }));
      services = proxiedServices(lab.lab, ...SERVERS);
      for (const server of SERVERS) await lab.peer(server).serve();
    });
    after(() => cleanUp.disposeAsync());

    const clusterAddress = (server: Server, family: Family): string => {
      const service = services.find(({ name }) => name === server);
      if (!service) throw new Error(`there is no Service ${server}`);
      return service.clusterAddresses[family];
    };
    const ask = (from: string, server: Server, family: Family, path: string, more: Pick<HttpAsk, 'timeoutMs'> = {}) =>
      lab.peer(from).ask({ to: clusterAddress(server, family), path, timeoutMs: 10_000, ...more });
    const words = async (from: string, server: Server, family: Family) => {
      const asked = PATHS.map(async (path) => [path, wordOf(await ask(from, server, family, path))]);
      return Object.fromEntries(await Promise.all(asked));
    };

    for (const mode of KUBE_PROXY_MODES) {
      describe(`its ${mode} mode`, () => {
        before(() => proxyServices(lab.lab, mode, services));

        for (const server of SERVERS) {
          for (const family of FAMILIES) {
            test(`a pod ${server} that asks for its own Service and is masqueraded, ${family}`, async () => {
              lab.write('services', []);
              await lab.set('policies', [INGRESS]);
              assert.equal(seenBy(await ask(server, server, family, '/own')).from, masqueradedAs(lab.lab.pod(server), network, family));
              assert.equal(wordOf(await ask(server, server, family, '/in')), '403', 'it is known as itself');
            });
          }
        }

        for (const isTranslated of [false, true]) {
          describe(`translated ${isTranslated ? 'at the socket' : 'by these rules'}`, () => {
            const egress = isTranslated ? TO_PODS : TO_SERVICES;
            before(async () => {
              lab.write('services', isTranslated ? services.flatMap(serviceManifests) : []);
              await lab.set('policies', [egress]);
              // What is asked for is known by what is allowed to be.
              for (const server of SERVERS) for (const family of FAMILIES) await isTold(server, family);
            });
            const isTold = (server: Server, family: Family) =>
              eventually(async () => assert.equal(wordOf(await ask('client', server, family, '/out', { timeoutMs: 500 })), '200'));

            for (const { where, isAtServer, isAtClient, allowed } of STAGES) {
              for (const server of SERVERS) {
                for (const family of FAMILIES) {
                  test(`a slot ${where}, a pod ${server}, ${family}`, async () => {
                    await lab.set('policies', [...(isAtClient ? [egress] : []), ...(isAtServer ? [INGRESS] : [])]);
                    const stranger = isAtClient ? undefined : ask('stranger', server, family, '/in', { timeoutMs: 500 });
                    const expected = Object.fromEntries(PATHS.map((path) => [path, allowed.includes(path) ? '200' : '403']));
                    assert.deepEqual(await words('client', server, family), expected);
                    const [path] = allowed;
                    const to = clusterAddress(server, family);
                    assert.equal(seenBy(await ask('client', server, family, path)).from, lab.lab.pod('client').addresses[family]);
                    assert.equal(await lab.peer('client').exchange(LARGE_BYTES, { to, path }), 'whole');
                    const isOwnNode = server === 'near';
                    assert.equal(wordOf(await ask('node-1', server, family, '/out')), isOwnNode || !isAtServer ? '200' : '403');
                    assert.equal(await lab.peer('node-1').exchange(LARGE_BYTES, { to, path: '/in' }), 'whole');
                    if (stranger) assert.equal(wordOf(await stranger), 'timeout');
                  });
                }
              }
            }
          });
        }
      });
    }
  });
}

/** The address of the node's on the device that leads to the pod. */
function masqueradedAs({ plan: { node } }: Pod, network: Network, family: Family): string {
  return (network === 'routed' ? node.addresses : node.gateway)[family];
}

function serviceManifests({ name, clusterAddresses, port, backend }: ProxiedService): readonly Manifest[] {
  const clusterIPs = Object.values(clusterAddresses);
  const ports = [{ port }];
  const slices = FAMILIES.map((family) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${family}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
    endpoints: [{ addresses: [backend[family]], conditions: { ready: true } }],
    ports,
  }));
  const spec = { clusterIP: clusterIPs[0], clusterIPs, selector: { app: name }, ports };
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }, ...slices];
}
