import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'near', node: 'node-1', labels: { app: 'near' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
] as const;
const SERVERS = ['near', 'far'] as const;

const AT_ONCE = 8;
const CHANGES = 10;
const LEAST_REQUESTS = 200;
/** After so long a request has got to its server. */
const ARRIVED_MS = 300;
/** Of who waits for nothing to come. */
const TIMEOUT_MS = 10_000;
/** By way of one Envoy, and of two, of which that of the client's slot answers. */
const CUT_OFF = new Set(['ECONNRESET', '503']);

const rules = [{ method: 'POST', path: '/.*' }];
/** Who else may come makes another slot of it. */
const ingress = (server: string, ...others: readonly string[]) =>
  ciliumPolicy({
    name: 'of-server',
    app: server,
    ingress: [{ fromEndpoints: ['client', ...others].flatMap(app), toPorts: [tcpPort(80, rules)] }],
  });
const egress = (server: string, ...others: readonly string[]) =>
  ciliumPolicy({
    name: 'of-client',
    app: 'client',
    egress: [{ toEndpoints: [server, ...others].flatMap(app), toPorts: [tcpPort(80, rules)] }],
  });
const toAnybody = (server: string) => ciliumPolicy({ name: 'of-server', app: server, ingress: [{ fromEntities: ['all'] }] });
const toNobody = (server: string) => ciliumPolicy({ name: 'of-server', app: server, ingress: [{ fromEndpoints: app('nobody') }] });

type PoliciesOf = (server: string) => readonly Manifest[];

/** Changes that have what waits for an answer end. */
const ENDING: readonly { readonly what: string; readonly from: PoliciesOf; readonly to: PoliciesOf }[] = [
  { what: 'becomes another', from: (server) => [ingress(server)], to: (server) => [ingress(server, 'other')] },
  {
    what: 'becomes another, behind one of the client,',
    from: (server) => [egress(server), ingress(server)],
    to: (server) => [egress(server), ingress(server, 'other')],
  },
  { what: 'ends with a denial', from: (server) => [ingress(server)], to: (server) => [toNobody(server)] },
];

/** And those after which it is answered. */
const ANSWERING: typeof ENDING = [
  { what: 'ends, and nothing decides', from: (server) => [ingress(server)], to: (server) => [toAnybody(server)] },
  {
    what: 'of the client becomes another',
    from: (server) => [egress(server), ingress(server)],
    to: (server) => [egress(server, 'other'), ingress(server)],
  },
];

describe('requests under way when a slot is another', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
    for (const server of SERVERS) await lab.peer(server).serve();
  });
  after(() => cleanUp.disposeAsync());

  const postTo = (server: string, family: Family, path: string): HttpAsk => {
    return { to: lab.lab.pod(server).addresses[family], method: 'POST', path, body: 'x', timeoutMs: TIMEOUT_MS };
  };
  const post = (server: string, family: Family, path = '/'): Promise<HttpOutcome> => lab.peer('client').ask(postTo(server, family, path));
  /** Requests that are answered when there is one more. */
  const askAndWait = async (server: string, family: Family) => {
    const waiting = Array.from({ length: AT_ONCE }, () => post(server, family, `/together/${AT_ONCE + 1}`));
    await sleep(ARRIVED_MS);
    return waiting;
  };

  for (const family of FAMILIES) {
    for (const server of SERVERS) {
      for (const { what, from, to } of ENDING) {
        test(`end when the slot of a pod ${server} ${what} ${family}`, async () => {
          await lab.set('policies', from(server));
          assert.equal(wordOf(await post(server, family)), '200');
          const waiting = await askAndWait(server, family);
          await lab.set('policies', to(server));
          const words = (await Promise.all(waiting)).map(wordOf);
          assert.deepEqual(
            words.filter((word) => !CUT_OFF.has(word)),
            [],
          );
          await lab.set('policies', from(server));
          assert.equal(wordOf(await post(server, family)), '200');
        });
      }

      for (const { what, from, to } of ANSWERING) {
        test(`are answered when the slot ${what}, to a pod ${server}, ${family}`, async () => {
          await lab.set('policies', from(server));
          const waiting = await askAndWait(server, family);
          await lab.set('policies', to(server));
          assert.equal(wordOf(await post(server, family, `/together/${AT_ONCE + 1}`)), '200');
          assert.deepEqual((await Promise.all(waiting)).map(wordOf), new Array<string>(AT_ONCE).fill('200'));
        });
      }

      for (const { name, first } of [
        { name: 'one slot', first: [] },
        { name: 'two slots', first: [egress(server)] },
      ]) {
        test(`none waits for what does not come while it becomes another again and again, by ${name}, ${server}, ${family}`, async () => {
          await lab.set('policies', [...first, ingress(server)]);
          const names = Array.from({ length: AT_ONCE }, (_, index) => `${name} ${server} ${family} ${index}`);
          const client = lab.peer('client');
          for (const load of names) await client.begin(load, { ...postTo(server, family, '/'), connection: load }, 1);
          for (let change = 0; change < CHANGES; change += 1) {
            await lab.set('policies', [...first, ingress(server, ...(change % 2 === 0 ? ['other'] : []))]);
            assert.equal(wordOf(await post(server, family)), '200');
          }
          const loads = await Promise.all(names.map((load) => client.end(load)));
          const words = new Set(loads.flatMap(({ outcomes }) => Object.keys(outcomes)));
          assert.deepEqual(
            [...words].filter((word) => word !== '200' && !CUT_OFF.has(word)),
            [],
          );
          const count = loads.reduce((sum, { outcomes }) => sum + (outcomes['200'] ?? 0), 0);
          assert.ok(count >= LEAST_REQUESTS, `${count} requests`);
        });
      }
    }
  }
});
