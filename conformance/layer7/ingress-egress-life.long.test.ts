import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES } from '../lab/netns/index.ts';
import { wordOf } from './http-peer.ts';
import { type HttpRuleText, tcpPort } from './policies.ts';
import { askIngress, HOLDER, ofIngress, served, servedAt } from './served-by-ingress.ts';
import { SteeredLab } from './steered-lab.ts';

const PODS = [
  { name: 'web', labels: { app: 'web' } },
  { name: 'holder', ...HOLDER },
] as const;
const WEB = [{ matchLabels: { 'k8s:app': 'web', 'k8s:io.kubernetes.pod.namespace': 'default' } }];
const asking = (http: readonly HttpRuleText[]) => ofIngress({ egress: [{ toEndpoints: WEB, toPorts: [tcpPort(80, http)] }] });

describe('Rules of layer 7 for what Ingresses may ask', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods: PODS }));
    await lab.peer('web').serve();
    lab.write('ingresses', served(lab, 'web'));
    for (const family of FAMILIES) await eventually(async () => assert.equal(wordOf(await askIngress(lab, 'web', family)), '200'));
  });
  after(() => cleanUp.disposeAsync());

  const words = async (): Promise<readonly string[]> => {
    const asks = FAMILIES.flatMap((family) => ['/in', '/out'].map((path) => askIngress(lab, 'web', family, { path })));
    return (await Promise.all(asks)).map(wordOf);
  };

  test('are named where they deny a request', async () => {
    await lab.set('policies', [asking([{ method: 'POST', path: '/in' }])]);
    for (const family of FAMILIES) {
      const outcome = await askIngress(lab, 'web', family, { path: '/in' });
      assert.ok('headers' in outcome && outcome.status === 403, JSON.stringify(outcome));
      const told = await eventually(async () => await lab.sluice('node-1', ['why-denied', String(outcome.headers['x-request-id'])]));
      assert.ok(told.includes(`${lab.lab.pod('holder').addresses[family]}`), told);
      assert.match(told, /^why {6}CiliumClusterwideNetworkPolicy of-ingress spec\.egress\[0\].*method GET is not POST/m);
    }
  });

  test('close what names no server, where they are on names of servers', async () => {
    const toPorts = [{ ports: [{ port: '80', protocol: 'TCP' }], serverNames: ['web.test'] }];
    await lab.set('policies', [ofIngress({ egress: [{ toEndpoints: WEB, toPorts }] })]);
    const before = (await lab.peer('web').served()).length;
    assert.deepEqual(await words(), ['503', '503', '503', '503']);
    assert.equal((await lab.peer('web').served()).length, before);
  });

  test('refuse a backend with an address of the own node', async () => {
    await lab.set('policies', []);
    await lab.peer('node-1').serve(8_080);
    lab.write('host', servedAt('own', lab.lab.node('node-1').plan.addresses, 8_080));
    for (const family of FAMILIES) await eventually(async () => assert.equal(wordOf(await askIngress(lab, 'own', family)), '200'));
    const rule = (http?: readonly HttpRuleText[]) => ofIngress({ egress: [{ toEntities: ['host'], toPorts: [tcpPort(8_080, http)] }] });
    await lab.set('policies', [rule()]);
    for (const family of FAMILIES) assert.equal(wordOf(await askIngress(lab, 'own', family)), '200');
    await lab.set('policies', [rule([{ path: '/' }])]);
    for (const family of FAMILIES) assert.equal(wordOf(await askIngress(lab, 'own', family)), '503');
  });

  test('hold while the agent is away and when it is back, by what was written meanwhile as well', async () => {
    let expected = ['200', '403', '200', '403'];
    await lab.set('policies', [asking([{ path: '/in' }])]);
    assert.deepEqual(await words(), expected);
    for (const [policies, then] of [
      [[asking([{ path: '/in' }])], expected],
      [[ofIngress({ egress: [{ toEndpoints: WEB }] })], ['200', '200', '200', '200']],
      [[asking([{ path: '/out' }])], ['403', '200', '403', '200']],
      [[], ['200', '200', '200', '200']],
    ] as const) {
      await lab.sluices.get('node-1')?.kill();
      assert.deepEqual(await words(), expected);
      lab.write('policies', policies);
      await lab.startSluice('node-1');
      assert.deepEqual(await words(), then);
      expected = [...then];
    }
  });
});
