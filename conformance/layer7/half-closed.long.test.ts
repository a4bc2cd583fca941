import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { PlaceChild } from '../datapath/place-child.ts';
import { FAMILIES, type Network } from '../lab/netns/index.ts';
import { type KubeProxyMode, proxiedServices, proxyServices } from './kube-proxy-tables.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { SteeredLab } from './steered-lab.ts';
import type { StreamRequest, Talked } from './stream-program.ts';

const PROGRAM = new URL('stream-program.ts', import.meta.url);
const BYTES = 1_000_000;
const TIMEOUT_MS = 15_000;
const REQUEST = 'GET /a HTTP/1.1\r\nHost: web\r\n\r\n';

type Serving = Omit<Extract<StreamRequest, { kind: 'serve' }>, 'kind' | 'bytes'>;
type Ends = Extract<StreamRequest, { kind: 'talk' }>['ends'];

const SERVERS = {
  answersAfterEnd: { port: 2000, answers: 'after-end', head: '' },
  endsFirst: { port: 2001, answers: 'at-once', head: '' },
  httpUntilEnd: { port: 3000, answers: 'after-request', head: 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n' },
  httpAfterEnd: { port: 3001, answers: 'after-end', head: `HTTP/1.1 200 OK\r\nContent-Length: ${BYTES}\r\n\r\n` },
} as const satisfies Record<string, Serving>;
type ServerName = keyof typeof SERVERS;

interface Case {
  readonly what: string;
  readonly server: ServerName;
  readonly ends: Ends;
  readonly talked: Talked;
  /** What the server heard until the end. */
  readonly heard?: number;
}

const ANSWERED = { head: '', bytes: BYTES, ended: 'end' };
/** https://github.com/envoyproxy/envoy/issues/2066 */
const NO_ANSWER = { head: '', bytes: 0, ended: 'end' };
const CASES: readonly Case[] = [
  { what: 'a client that ends his side gets a long answer', server: 'answersAfterEnd', ends: 'first', talked: ANSWERED, heard: BYTES },
  { what: 'a server that has ended her side hears all', server: 'endsFirst', ends: 'last', talked: ANSWERED, heard: 2 * BYTES },
  { what: 'both may end at once', server: 'endsFirst', ends: 'first', talked: ANSWERED, heard: BYTES },
  {
    what: 'of HTTP, an answer may last until the end',
    server: 'httpUntilEnd',
    ends: 'last',
    talked: { ...ANSWERED, head: 'HTTP/1.1 200' },
  },
  // What was on its way before the end was read would come, so who answers at once is no case.
  { what: 'of HTTP, a client that ends his side gets none, and hears so', server: 'httpAfterEnd', ends: 'first', talked: NO_ANSWER },
];

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'near', node: 'node-1', labels: { app: 'server' } },
  { name: 'far', node: 'node-2', labels: { app: 'server' } },
] as const;

const RAW_PORTS = [SERVERS.answersAfterEnd.port, SERVERS.endsFirst.port];
const HTTP_PORTS = [SERVERS.httpUntilEnd.port, SERVERS.httpAfterEnd.port];
/** Of all these ports. What allows without rules of layer 7 beside a server name makes a slot that lets everything by as it is. */
const TO_PORTS = [
  ...RAW_PORTS.map((port) => ({ ...tcpPort(port), serverNames: ['web'] })),
  ...RAW_PORTS.map((port) => tcpPort(port)),
  ...HTTP_PORTS.map((port) => tcpPort(port, [{ path: '/a' }])),
];
const INGRESS = ciliumPolicy({ name: 'server', app: 'server', ingress: [{ fromEndpoints: app('client'), toPorts: TO_PORTS }] });
const EGRESS = ciliumPolicy({ name: 'client', app: 'client', egress: [{ toEndpoints: app('server'), toPorts: TO_PORTS }] });

/** How pods are connected, and whose rules are on their nodes, if anybody's. */
const LABS: readonly (readonly [network: Network, beside?: KubeProxyMode])[] = [
  ['routed'],
  ['routed', 'iptables'],
  ['bridged', 'iptables'],
  ['vxlan', 'nftables'],
];

for (const [network, beside] of LABS) {
  const where = beside ? `${network}, beside rules of kube-proxy's ${beside} mode` : network;
  describe(`connections of which one side ends first, ${where}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    testEnds(network, beside);
  });
}

function testEnds(network: Network, beside?: KubeProxyMode): void {
  const cleanUp = new AsyncDisposableStack();
  const peers = new Map<string, PlaceChild<StreamRequest>>();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network, pods: PODS }));
    if (beside) await proxyServices(lab.lab, beside, proxiedServices(lab.lab, 'near', 'far'));
    for (const { name } of PODS) peers.set(name, cleanUp.use(new PlaceChild<StreamRequest>(lab.lab.pod(name), PROGRAM)));
    for (const server of ['near', 'far']) {
      for (const each of Object.values(SERVERS)) await ask(server, { kind: 'serve', bytes: BYTES, ...each });
    }
  });
  after(() => cleanUp.disposeAsync());

  const ask = async (place: string, request: StreamRequest) => await peers.get(place)?.ask(request);

  for (const [where, policies] of [
    ['at the server', [INGRESS]],
    ['at the client', [EGRESS]],
    ['at both', [INGRESS, EGRESS]],
  ] as const) {
    for (const server of ['near', 'far']) {
      for (const family of FAMILIES) {
        test(`through a slot ${where}, a pod ${server}, ${family}`, async () => {
          await lab.set('policies', policies);
          const to = lab.lab.pod(server).addresses[family];
          for (const { what, server: kind, ends, talked, heard } of CASES) {
            const { port } = SERVERS[kind];
            const text = heard === undefined ? REQUEST : 'x'.repeat(BYTES);
            await ask(server, { kind: 'forget', port });
            assert.deepEqual(await ask('client', { kind: 'talk', to, port, text, ends, timeoutMs: TIMEOUT_MS }), talked, what);
            if (heard === undefined) continue;
            await eventually(async () => assert.deepEqual(await ask(server, { kind: 'heard', port }), [heard], what));
          }
        });
      }
    }
  }
}
