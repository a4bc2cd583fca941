import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy } from './policies.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

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
  const cleanUp = new AsyncDisposableStack();
  const said: string[] = [];
  let lab: SteeredLab;
  before(async () => {
    const pods = ['client', 'web'].map((name) => ({ name, labels: { app: name } }));
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods, onLine: (line) => said.push(line) }));
    await lab.peer('web').serve();
    await lab.set('web', [POLICY]);
  });
  after(() => cleanUp.disposeAsync());

  const ask = (path: string, token?: string) =>
    lab.peer('client').ask({ to: lab.lab.pod('web').addresses.ipv4, path, headers: token === undefined ? {} : { 'x-token': token } });
  const isAnswered = (path: string, token: string | undefined, word: string) =>
    eventually(async () => assert.equal(wordOf(await ask(path, token)), word));

  test('allow nothing as long as it is not there', async () => {
    assert.equal(wordOf(await ask('/asked', FIRST)), '403');
    assert.equal(wordOf(await ask('/given')), '403');
  });

  test('ask for its value, and give it, as it comes, changes and goes', async () => {
    lab.write('secret', [secret(FIRST)]);
    await isAnswered('/asked', FIRST, '200');
    assert.equal(wordOf(await ask('/asked', SECOND)), '403');
    assert.equal(wordOf(await ask('/asked')), '403');
    assert.equal(seenBy(await ask('/given', 'what the client says')).headers['x-token'], FIRST);
    lab.write('secret', [secret(SECOND)]);
    await isAnswered('/asked', SECOND, '200');
    assert.equal(wordOf(await ask('/asked', FIRST)), '403');
    await eventually(async () => assert.equal(seenBy(await ask('/given')).headers['x-token'], SECOND));
    lab.write('secret', []);
    await isAnswered('/asked', SECOND, '403');
  });

  test('the value stands in nothing that is shown', async () => {
    lab.write('secret', [secret(FIRST)]);
    await isAnswered('/asked', FIRST, '200');
    const admin = ['http://127.0.0.1:9870/snapshot', 'http://127.0.0.1:9870/model', 'http://127.0.0.1:9870/diagnostics'];
    const shown = await Promise.all(admin.map((url) => lab.lab.node('node-1').run(['curl', '-sSf', url])));
    assert.ok(shown.join('').includes('sluice.slot/http/ingress/'), 'the slot is among what is shown');
    for (const value of [FIRST, SECOND, Buffer.from(FIRST).toString('hex'), Buffer.from(FIRST).toString('base64')]) {
      assert.ok(!shown.join('').includes(value), `${value} is shown`);
      assert.ok(!said.join('').includes(value), `${value} is in the log`);
    }
  });
});
