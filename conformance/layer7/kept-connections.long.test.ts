import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, NETWORKS } from '../lab/netns/index.ts';
import { type HttpAsk, wordOf } from './http-peer.ts';
import { ciliumPolicy, tcpPort } from './policies.ts';
import { HOLDER, HTTP_PORT, hostOf, served } from './served-by-ingress.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const PODS = [
  { name: 'near', node: 'node-1', labels: { app: 'near' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
  { name: 'holder-1', node: 'node-1', ...HOLDER },
  { name: 'holder-2', node: 'node-2', ...HOLDER },
] as const;
const SERVERS = ['near', 'far'] as const;

const AT_ONCE = 16;
const answers = new Array<string>(AT_ONCE).fill('200');
/** Slots have connections with the ingress address too, which have another mark. */
const OF_INGRESSES = /\bino:(\d+)\s.*fwmark:0xd00\b/;
const CHANGES = 12;
/** After so long the kernel has acknowledged answers. */
const ACKNOWLEDGED_MS = 200;
const LOADS = 4;
const LEAST_REQUESTS = 500;

const http = [{ method: 'GET|POST', path: '/.*' }];
const taking = (server: string, peers: readonly string[], rules?: typeof http) =>
  ciliumPolicy({ name: 'of-server', app: server, ingress: [{ fromEntities: peers, toPorts: [tcpPort(80, rules)] }] });

/** What lets Ingresses by, in turn. */
const STATES: readonly { readonly name: string; readonly policies: (server: string) => readonly Manifest[] }[] = [
  { name: 'rules of layer 7 begin', policies: (server) => [taking(server, ['ingress'], http)] },
  { name: 'others take their place', policies: (server) => [taking(server, ['ingress', 'world'], http)] },
  { name: 'they end', policies: (server) => [taking(server, ['ingress'])] },
  { name: 'they begin anew', policies: (server) => [taking(server, ['world', 'ingress'], http)] },
  { name: 'no policy is left', policies: () => [] },
];

for (const network of NETWORKS) {
  describe(`Connections that Envoy keeps for Ingresses, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network, pods: PODS, address: '::' }));
      for (const server of SERVERS) await lab.peer(server).serve();
      lab.write(
        'ingresses',
        SERVERS.flatMap((server) => served(lab, server)),
      );
      for (const server of SERVERS)
        for (const family of FAMILIES) await eventually(async () => assert.equal(await ask(server, family, {}), '200'));
    });
    after(() => cleanUp.disposeAsync());

    const requestOf = (server: string, family: Family, rest: Partial<HttpAsk>): HttpAsk => {
      const headers = { host: hostOf(server, family) };
      return { to: '127.0.0.1', port: HTTP_PORT, headers, timeoutMs: 10_000, ...rest };
    };
    const ask = async (server: string, family: Family, rest: Partial<HttpAsk>) =>
      wordOf(await lab.peer('node-1').ask(requestOf(server, family, rest)));
    const post = (server: string, family: Family) =>
      Promise.all(Array.from({ length: AT_ONCE }, () => ask(server, family, { method: 'POST', path: `/together/${AT_ONCE}`, body: 'x' })));

    const assertAnswered = (server: string, family: Family, after?: string) =>
      lab.explained('node-1', async () => assert.deepEqual(await post(server, family), answers, after));

    /** Envoy's connections to a pod, by what no other has: ports are used again. */
    async function kept(server: string, family: Family): Promise<ReadonlySet<string>> {
      const text = (address: string) => (family === 'ipv6' ? `[${address}]` : address);
      const from = text(lab.lab.pod('holder-1').addresses[family]);
      const to = `${text(lab.lab.pod(server).addresses[family])}:80`;
      const lines = await lab.lab.node('node-1').run(['ss', '-Htne', 'state', 'established', 'src', from, 'and', 'dst', to]);
      return new Set(lines.split('\n').flatMap((line) => OF_INGRESSES.exec(line)?.[1] ?? []));
    }

    for (const family of FAMILIES) {
      for (const server of SERVERS) {
        test(`are ended before a request goes by them, to a pod ${server}, ${family}`, async () => {
          await lab.set('policies', []);
          for (const { name, policies } of STATES) {
            await assertAnswered(server, family);
            const before = await kept(server, family);
            assert.ok(before.size >= AT_ONCE, `${before.size} connections`);
            await sleep(ACKNOWLEDGED_MS);
            await lab.set('policies', policies(server));
            // What is sent twice is not among these.
            await assertAnswered(server, family, name);
            const left = [...(await kept(server, family))].filter((socket) => before.has(socket));
            assert.deepEqual(left, [], name);
          }
        });

        test(`go on where what is allowed stays with the slot, to a pod ${server}, ${family}`, async () => {
          await lab.set('policies', [taking(server, ['ingress'], http)]);
          await assertAnswered(server, family);
          const before = await kept(server, family);
          await sleep(ACKNOWLEDGED_MS);
          await lab.set('policies', [taking(server, ['ingress'], [{ method: 'POST', path: '/.*' }])]);
          // A policy of somebody else's slot has the doors asked again, too.
          await lab.set('others', [
            ciliumPolicy({ name: 'other', app: server, ingress: [{ fromEntities: ['world'], toPorts: [tcpPort(81, http)] }] }),
          ]);
          await assertAnswered(server, family);
          const after = await kept(server, family);
          await lab.set('others', []);
          assert.deepEqual([...before].filter((socket) => after.has(socket)).length, before.size);
        });

        test(`fail no request that may be sent twice, to a pod ${server}, ${family}`, async () => {
          await lab.set('policies', []);
          const names = Array.from({ length: LOADS }, (_, index) => `${server} ${family} ${index}`);
          const peer = lab.peer('node-1');
          for (const name of names) await peer.begin(name, requestOf(server, family, { connection: name }), 1);
          for (let change = 0; change < CHANGES; change += 1) {
            await lab.set('policies', STATES[change % STATES.length]?.policies(server) ?? []);
          }
          const loads = await Promise.all(names.map((name) => peer.end(name)));
          const failures = loads.flatMap((load) => load.failures);
          await lab.explained('node-1', async () => assert.deepEqual(failures, []));
          const count = loads.reduce((sum, { outcomes }) => sum + (outcomes['200'] ?? 0), 0);
          assert.ok(count >= LEAST_REQUESTS, `${count} requests`);
          assert.deepEqual(Object.keys(loads[0]?.outcomes ?? {}), ['200']);
        });
      }
    }
  });
}
