import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, NETWORKS } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { type HttpRuleText, tcpPort } from './policies.ts';
import { HOLDER, HTTP_PORT, hostOf, ofIngress, served } from './served-by-ingress.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const DENIED = [403, 'Access denied\r\n'];
/** What a client without a permission gets: nothing. */
const NOTHING = 'timeout';
const PODS = [
  { name: 'web', node: 'node-2', labels: { app: 'web' } },
  { name: 'near', node: 'node-1', labels: { app: 'client' } },
  { name: 'far', node: 'node-2', labels: { app: 'client' } },
  { name: 'stranger', node: 'node-1', labels: { app: 'stranger' } },
  { name: 'holder-1', node: 'node-1', ...HOLDER },
  { name: 'holder-2', node: 'node-2', ...HOLDER },
] as const;
const CLIENTS = ['near', 'far'] as const;

const inDefault = (app: string): Manifest => ({ matchLabels: { 'k8s:app': app, 'k8s:io.kubernetes.pod.namespace': 'default' } });
/** A rule that lets pods come to Ingresses, and ask for some things where these are given. */
const from = (app: string, http?: readonly HttpRuleText[]) => ({ fromEndpoints: [inDefault(app)], toPorts: [tcpPort(HTTP_PORT, http)] });
const IN = [{ path: '/in' }];
const OUT = [{ path: '/out' }];

function denialOf(outcome: HttpOutcome): readonly unknown[] {
  return 'body' in outcome ? [outcome.status, outcome.body] : [outcome.failed];
}

for (const network of NETWORKS) {
  describe(`Rules of layer 7 for what clients ask of Ingresses, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network, pods: PODS, address: '::' }));
      await lab.peer('web').serve();
      lab.write('ingresses', served(lab, 'web'));
      for (const client of CLIENTS)
        for (const family of FAMILIES) await eventually(async () => assert.equal(wordOf(await ask(client, family, '/in')), '200'));
    });
    after(() => cleanUp.disposeAsync());

    /** By the Ingress of `node-1`. */
    const ask = (client: string, family: Family, path: string, rest: Partial<HttpAsk> = {}): Promise<HttpOutcome> => {
      const to = lab.lab.node('node-1').plan.addresses[family];
      return lab.peer(client).ask({ to, port: HTTP_PORT, headers: { host: hostOf('web', family) }, path, ...rest });
    };
    const words = async (client: string, family: Family, rest: Partial<HttpAsk> = {}): Promise<readonly string[]> => [
      wordOf(await ask(client, family, '/in', rest)),
      wordOf(await ask(client, family, '/out', rest)),
    ];

    for (const family of FAMILIES) {
      test(`hold for pods of either node, and for nobody else, ${family}`, async () => {
        await lab.set('policies', [ofIngress({ ingress: [from('client', IN)] })]);
        for (const client of CLIENTS) {
          assert.equal(seenBy(await ask(client, family, '/in')).from, lab.lab.pod('holder-1').addresses[family]);
          assert.deepEqual(denialOf(await ask(client, family, '/out')), DENIED);
        }
        assert.equal(wordOf(await ask('stranger', family, '/in')), NOTHING);
        assert.deepEqual(await words('node-1', family), ['200', '200'], 'the own node may ask for anything');
      });

      test(`are told apart by who asks, ${family}`, async () => {
        await lab.set('policies', [ofIngress({ ingress: [from('client', IN), from('stranger', OUT)] })]);
        assert.deepEqual(await words('near', family), ['200', '403']);
        assert.deepEqual(await words('stranger', family), ['403', '200']);
        await lab.set('policies', [ofIngress({ ingress: [from('client', IN), from('stranger')] })]);
        assert.deepEqual(await words('far', family), ['200', '403']);
        assert.deepEqual(await words('stranger', family), ['200', '200'], 'who needs no rule of layer 7');
      });

      test(`change for the next request of an open connection, ${family}`, async () => {
        const rest = { connection: `edited-${family}` };
        await lab.set('policies', [ofIngress({ ingress: [from('client', IN)] })]);
        assert.deepEqual(await words('near', family, rest), ['200', '403']);
        const [before] = [await ask('near', family, '/in', rest)];
        await lab.set('policies', [ofIngress({ ingress: [from('client', OUT)] })]);
        assert.deepEqual(await words('near', family, rest), ['403', '200']);
        const after = await ask('near', family, '/out', rest);
        assert.ok('connection' in before && 'connection' in after);
        assert.equal(after.connection, before.connection);
      });

      test(`begin and end, and connections that are open end with that, ${family}`, async () => {
        for (const client of CLIENTS) {
          const rest = { connection: `kept-${client}-${family}` };
          const open = async () => {
            const answer = await ask(client, family, '/in', rest);
            return 'connection' in answer ? answer.connection : answer.failed;
          };
          await lab.set('policies', []);
          const first = await open();
          assert.equal(await open(), first);
          for (const [policies, expected] of [
            [[ofIngress({ ingress: [from('client', IN)] })], ['200', '403']],
            [[ofIngress({ ingress: [from('client')] })], ['200', '200']],
            [[ofIngress({ ingress: [from('client', OUT)] })], ['403', '200']],
            [[], ['200', '200']],
          ] as const) {
            const before = await open();
            await lab.set('policies', policies);
            // What was open is reset at once, so no client waits for an answer.
            await eventually(async () => assert.deepEqual(await words(client, family, rest), expected));
            assert.notEqual(await open(), before);
          }
        }
      });
    }

    test('name the rule that came nearest', async () => {
      await lab.set('policies', [ofIngress({ ingress: [from('client', [{ method: 'POST', path: '/in' }])] })]);
      for (const family of FAMILIES) {
        const outcome = await ask('far', family, '/in');
        assert.ok('headers' in outcome && outcome.status === 403, JSON.stringify(outcome));
        const told = await eventually(async () => await lab.sluice('node-1', ['why-denied', String(outcome.headers['x-request-id'])]));
        assert.match(told, /^why {6}CiliumClusterwideNetworkPolicy of-ingress spec\.ingress\[0\].*method GET is not POST/m);
        assert.ok(told.includes(lab.lab.pod('far').addresses[family]), told);
      }
    });

    test('hold while the agent is away and when it is back', async () => {
      await lab.set('policies', [ofIngress({ ingress: [from('client', IN)] })]);
      await lab.sluices.get('node-1')?.kill();
      lab.write('policies', [ofIngress({ ingress: [from('client', OUT)] })]);
      for (const family of FAMILIES) assert.notEqual(wordOf(await ask('near', family, '/out')), '200');
      await lab.startSluice('node-1');
      for (const family of FAMILIES) await eventually(async () => assert.deepEqual(await words('near', family), ['403', '200']));
    });
  });
}
