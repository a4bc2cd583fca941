import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { clientAndWeb } from './client-and-web.ts';
import type { HttpAsk } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';

const POLICY = ciliumPolicy({
  name: 'web',
  app: 'web',
  ingress: [
    {
      fromEndpoints: app('client'),
      toPorts: [
        tcpPort(80, [
          { method: 'POST', path: '/orders' },
          { method: 'GET', path: '/public/.*', headers: ['X-Role: admin'] },
        ]),
      ],
    },
  ],
});

const RULES = 'CiliumNetworkPolicy default/web spec.ingress[0].toPorts[0].rules.http';

describe('why a request was denied', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const scene = clientAndWeb(POLICY);

  const deniedId = async (ask: Omit<HttpAsk, 'to'>): Promise<string> => {
    const outcome = await scene().ask(ask);
    assert.ok('status' in outcome && outcome.status === 403, JSON.stringify(outcome));
    return String(outcome.headers['x-request-id']);
  };

  const CASES: readonly (readonly [about: string, ask: Omit<HttpAsk, 'to'>, said: RegExp])[] = [
    ['the method', { method: 'GET', path: '/orders' }, /http\[0\] came nearest: method GET is not POST \(.*http\[0\]\.method\)/],
    ['the path', { method: 'POST', path: '/orders/7' }, /http\[0\] came nearest: path \/orders\/7 is not \/orders/],
    [
      'what is refused whatever rules say',
      { path: '/public/%2e%2e;/a' },
      /^why {6}its path has dot segments with parameters, which servers resolve in different ways: such a request is refused whatever rules say$/m,
    ],
    [
      'several hosts',
      { path: '/public/a', headers: { host: 'web.test,other.test', 'x-role': 'admin' } },
      /^why {6}it names several hosts/m,
    ],
    ['a header, of HTTP/2', { path: '/public/a', protocol: 'http2' }, /http\[1\] came nearest: header x-role is not as it asks/],
  ];
  for (const [about, ask, said] of CASES) {
    test(`names ${about}`, async () => {
      const { lab } = scene();
      const id = await deniedId(ask);
      await eventually(async () => {
        const told = await lab.sluice('node-1', ['why-denied', id]);
        assert.match(told, said);
        assert.ok(told.includes(RULES) || told.includes('whatever rules say'), told);
        assert.ok(told.includes(`${ask.method ?? 'GET'} ${ask.path?.replaceAll('%2e', '.')}`), told);
        assert.ok(told.includes(`from     ${lab.lab.pod('client').addresses.ipv4}:`), told);
      });
    });
  }

  test('an id that the client chose is kept', async () => {
    const { lab } = scene();
    const id = await deniedId({ path: '/none', headers: { 'x-request-id': 'chosen-by-the-client' } });
    assert.equal(id, 'chosen-by-the-client');
    const told = await eventually(async () => JSON.parse(await lab.sluice('node-1', ['why-denied', id, '-o', 'json'])));
    assert.deepEqual([told.id, told.verdict, told.destination], [id, 'nearest', `${lab.lab.pod('web').addresses.ipv4}:80`]);
  });

  test('what nobody knows of is said so', async () => {
    await assert.rejects(scene().lab.sluice('node-1', ['why-denied', 'nothing']), /no request with the id "nothing" was denied lately/);
  });
});
