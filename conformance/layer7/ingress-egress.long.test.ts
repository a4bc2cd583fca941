import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, NETWORKS } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { ciliumPolicy, type HttpRuleText, tcpPort } from './policies.ts';
import { askIngress, HOLDER, ofIngress, served } from './served-by-ingress.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const DENIED = [403, 'Access denied\r\n'];
const LARGE = 'x'.repeat(3_000_000);
const SERVERS = ['near', 'far'] as const;
/** Enough for each thread of an Envoy to keep connections to a server, and to use one again. */
const MANY = 16;
const PODS = [
  { name: 'near', node: 'node-1', labels: { app: 'near' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
  { name: 'holder-1', node: 'node-1', ...HOLDER },
  { name: 'holder-2', node: 'node-2', ...HOLDER },
] as const;

const inDefault = (app: string): Manifest => ({ matchLabels: { 'k8s:app': app, 'k8s:io.kubernetes.pod.namespace': 'default' } });
/** A rule that lets Ingresses talk to a server, and ask it for some things where these are given. */
const to = (server: string, http?: readonly HttpRuleText[]) => ({ toEndpoints: [inDefault(server)], toPorts: [tcpPort(80, http)] });
/** One with other clauses that says the same. */
const toAll = (http?: readonly HttpRuleText[]) => ({ toEntities: ['cluster'], toPorts: [tcpPort(80, http)] });
const IN = [{ method: 'GET|POST', path: '/in' }];

function denialOf(outcome: HttpOutcome): readonly unknown[] {
  return 'body' in outcome ? [outcome.status, outcome.body] : [outcome.failed];
}

/** What comes of requests for `/in` and `/out` by all connections that an Envoy has, and some more. */
async function wordsOf(lab: SteeredLab, server: string, family: Family): Promise<readonly string[]> {
  const words = async (path: string) => {
    const outcomes = await Promise.all(Array.from({ length: MANY }, () => askIngress(lab, server, family, { path })));
    return [...new Set(outcomes.map(wordOf))].sort().join();
  };
  return [await words('/in'), await words('/out')];
}

async function start(network: (typeof NETWORKS)[number]): Promise<SteeredLab> {
  const lab = await SteeredLab.start({ network, pods: PODS });
  for (const server of SERVERS) await lab.peer(server).serve();
  lab.write(
    'ingresses',
    SERVERS.flatMap((server) => served(lab, server)),
  );
  for (const server of SERVERS)
    for (const family of FAMILIES) await eventually(async () => assert.equal(wordOf(await askIngress(lab, server, family)), '200'));
  return lab;
}

for (const network of NETWORKS) {
  describe(`Rules of layer 7 for what Ingresses may ask, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await start(network));
    });
    after(() => cleanUp.disposeAsync());

    const ask = (server: string, family: Family, path: string, rest: Partial<HttpAsk> = {}) =>
      askIngress(lab, server, family, { path, ...rest });

    for (const family of FAMILIES) {
      for (const server of SERVERS) {
        const other = server === 'near' ? 'far' : 'near';

        test(`hold for a pod ${server}, ${family}`, async () => {
          await lab.set('policies', [ofIngress({ egress: [to(server, IN)] })]);
          assert.equal(seenBy(await ask(server, family, '/in')).from, lab.lab.pod('holder-1').addresses[family]);
          assert.deepEqual(denialOf(await ask(server, family, '/out')), DENIED);
          assert.equal(wordOf(await ask(server, family, '/in', { method: 'POST', body: LARGE })), '200');
          assert.equal(wordOf(await ask(other, family, '/in')), '503', 'which no rule allows');
        });

        test(`hold together with those of a pod ${server}, ${family}`, async () => {
          const rule = { fromEntities: ['ingress'], toPorts: [tcpPort(80, [{ path: '/in' }, { path: '/theirs' }])] };
          const own = ofIngress({ egress: [to(server, [{ path: '/in' }, { path: '/ours' }])] });
          await lab.set('policies', [own, ciliumPolicy({ name: `to-${server}`, app: server, ingress: [rule] })]);
          // What a slot kept open to the pod ends when the pod's own begins, and what changes things is not sent twice.
          assert.deepEqual(await wordsOf(lab, server, family), ['200', '403']);
          assert.equal(seenBy(await ask(server, family, '/in')).from, lab.lab.pod('holder-1').addresses[family]);
          assert.equal(wordOf(await ask(server, family, '/in', { method: 'POST', body: LARGE })), '200');
          for (const path of ['/theirs', '/ours', '/out']) assert.deepEqual(denialOf(await ask(server, family, path)), DENIED, path);
        });

        test(`do not get around what a pod ${server} says of whom it lets in, ${family}`, async () => {
          const rule = { fromEntities: ['host', 'remote-node', 'world'], toPorts: [tcpPort(80)] };
          const own = ofIngress({ egress: [to(server, IN)] });
          await lab.set('policies', [own, ciliumPolicy({ name: `to-${server}`, app: server, ingress: [rule] })]);
          const before = (await lab.peer(server).served()).length;
          assert.notEqual(wordOf(await ask(server, family, '/in', { timeoutMs: 1_500 })), '200');
          assert.equal((await lab.peer(server).served()).length, before);
        });

        test(`begin, change and end while connections to a pod ${server} are kept, ${family}`, async () => {
          const words = () => wordsOf(lab, server, family);
          await lab.set('policies', []);
          assert.deepEqual(await words(), ['200', '200']);
          await lab.set('policies', [ofIngress({ egress: [to(server, IN)] })]);
          assert.deepEqual(await words(), ['200', '403'], 'a slot begins');
          await lab.set('policies', [ofIngress({ egress: [to(server, [{ path: '/out' }])] })]);
          assert.deepEqual(await words(), ['403', '200'], 'its rules change');
          await lab.set('policies', [ofIngress({ egress: [to(server, IN), toAll([{ path: '/other' }])] })]);
          assert.deepEqual(await words(), ['200', '403'], 'it becomes another');
          await lab.set('policies', [ofIngress({ egress: [to(server)] })]);
          assert.deepEqual(await words(), ['200', '200'], 'it ends');
          await lab.set('policies', [ofIngress({ egress: [to(server, IN)] })]);
          assert.deepEqual(await words(), ['200', '403'], 'it begins again');
          await lab.set('policies', [ofIngress({ egress: [to(other)] })]);
          assert.deepEqual(await words(), ['503', '503'], 'nothing is allowed');
          await lab.set('policies', [ofIngress({ egress: [to(server, IN)] })]);
          assert.deepEqual(await words(), ['200', '403'], 'and once more');
          await lab.set('policies', []);
          assert.deepEqual(await words(), ['200', '200'], 'there is no policy');
        });
      }
    }
  });
}
