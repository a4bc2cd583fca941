import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { clientAndWeb } from './client-and-web.ts';
import { seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy } from './policies.ts';
import type { Manifest } from './steered-lab.ts';

const FIRST = 'a-value-that-nobody-prints';
const SECOND = 'another-that-nobody-prints';

const secret = (value: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'token' },
  stringData: { token: value },
});
const POLICY = ciliumPolicy({
  name: 'web',
  app: 'web',
  ingress: [
    {
      fromEndpoints: app('client'),
      toPorts: [
        {
          ports: [{ port: '80', protocol: 'TCP' }],
          rules: {
            http: [
              { path: '/asked', headerMatches: [{ name: 'X-Token', secret: { name: 'token' } }] },
              { path: '/given', headerMatches: [{ name: 'X-Token', secret: { name: 'token' }, mismatch: 'REPLACE' }] },
            ],
          },
        },
      ],
    },
  ],
});

describe('rules that name a Secret', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const said: string[] = [];
  const scene = clientAndWeb(POLICY, { onLine: (line) => said.push(line) });

  const ask = (path: string, token?: string) => scene().ask({ path, headers: token === undefined ? {} : { 'x-token': token } });
  const isAnswered = (path: string, token: string | undefined, word: string) =>
    eventually(async () => assert.equal(wordOf(await ask(path, token)), word));

  test('allow nothing as long as it is not there', async () => {
    assert.equal(wordOf(await ask('/asked', FIRST)), '403');
    assert.equal(wordOf(await ask('/given')), '403');
  });

  test('ask for its value, and give it, as it comes, changes and goes', async () => {
    scene().lab.write('secret', [secret(FIRST)]);
    await isAnswered('/asked', FIRST, '200');
    assert.equal(wordOf(await ask('/asked', SECOND)), '403');
    assert.equal(wordOf(await ask('/asked')), '403');
    assert.equal(seenBy(await ask('/given', 'what the client says')).headers['x-token'], FIRST);
    scene().lab.write('secret', [secret(SECOND)]);
    await isAnswered('/asked', SECOND, '200');
    assert.equal(wordOf(await ask('/asked', FIRST)), '403');
    await eventually(async () => assert.equal(seenBy(await ask('/given')).headers['x-token'], SECOND));
    scene().lab.write('secret', []);
    await isAnswered('/asked', SECOND, '403');
  });

  test('the value stands in nothing that is shown', async () => {
    scene().lab.write('secret', [secret(FIRST)]);
    await isAnswered('/asked', FIRST, '200');
    const admin = ['http://127.0.0.1:9870/snapshot', 'http://127.0.0.1:9870/model', 'http://127.0.0.1:9870/diagnostics'];
    const shown = await Promise.all(admin.map((url) => scene().lab.lab.node('node-1').run(['curl', '-sSf', url])));
    assert.ok(shown.join('').includes('sluice.slot/http/ingress/'), 'the slot is among what is shown');
    for (const value of [FIRST, SECOND, Buffer.from(FIRST).toString('hex'), Buffer.from(FIRST).toString('base64')]) {
      assert.ok(!shown.join('').includes(value), `${value} is shown`);
      assert.ok(!said.join('').includes(value), `${value} is in the log`);
    }
  });
});
