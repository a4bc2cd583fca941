import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type HttpAsk, seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const AUDIT = 'policy.sluice.io/audit-mode';
const VISIBILITY = 'policy.cilium.io/proxy-visibility';

const POLICIES = ['web', 'tried'].map((name) =>
  ciliumPolicy({ name, app: name, ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ path: '/public' }])] }] }),
);
/** To nobody. */
const SILENT = ciliumPolicy({ name: 'silent', app: 'tried', egress: [{}] });

function namespace(audit: string): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', annotations: { [AUDIT]: audit } } };
}

const OTHER_PORT = 81;
const connectionsView = z.array(z.object({ localAddress: z.string(), localPort: z.int(), outcome: z.string() }));
const metricsView = z.object({ packets: z.array(z.object({ outcome: z.string(), packets: z.number() })) });

describe('pods that annotations say something of', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  const said: string[] = [];
  let lab: SteeredLab;
  before(async () => {
    const pods = [
      ...['client', 'stranger', 'web'].map((name) => ({ name, labels: { app: name } })),
      { name: 'tried', labels: { app: 'tried' }, annotations: { [AUDIT]: 'true' } },
      { name: 'seen', labels: { app: 'seen' }, annotations: { [VISIBILITY]: '<Ingress/80/TCP/HTTP>' } },
    ];
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods, onLine: (line) => said.push(line) }));
    for (const name of ['web', 'tried', 'seen', 'stranger']) await lab.peer(name).serve();
    for (const name of ['web', 'tried', 'seen']) await lab.peer(name).serve(OTHER_PORT);
    await lab.set('policies', [...POLICIES, SILENT]);
  });
  after(() => cleanUp.disposeAsync());

  const ask = async (from: string, to: string, what: Omit<HttpAsk, 'to'> = {}) =>
    await lab.peer(from).ask({ to: lab.lab.pod(to).addresses.ipv4, timeoutMs: 500, ...what });
  const counted = async (outcome: string): Promise<number> => {
    const { packets: counters } = metricsView.parse(JSON.parse(await lab.tables('node-1', 'metrics')));
    return counters.filter((each) => each.outcome === outcome).reduce((sum, { packets }) => sum + packets, 0);
  };

  /** What becomes of connections to a port of a pod. */
  const outcomesAt = async (pod: string, port: number): Promise<readonly string[]> => {
    const { ipv4 } = lab.lab.pod(pod).addresses;
    const all = connectionsView.parse(JSON.parse(await lab.tables('node-1', 'ct')));
    const ofPort = all.filter(({ localAddress, localPort }) => localAddress === ipv4 && localPort === port);
    return [...new Set(ofPort.map(({ outcome }) => outcome))];
  };

  const QUESTIONS: readonly (readonly [from: string, to: string, what: Omit<HttpAsk, 'to'>, denied: string])[] = [
    ['client', 'tried', { path: '/private' }, '403'],
    ['client', 'tried', { port: OTHER_PORT }, 'timeout'],
    ['stranger', 'tried', { path: '/public' }, 'timeout'],
    ['tried', 'stranger', {}, 'timeout'],
  ];
  const areDenied = async () => {
    for (const [from, to, what, denied] of QUESTIONS)
      await eventually(async () => assert.equal(wordOf(await ask(from, to, what)), denied, `${from} to ${to}`));
  };

  test('a pod is not in audit mode by what it says alone', areDenied);

  test('in audit mode nothing is denied, and it is told of; others are as before', async () => {
    assert.equal(await counted('passed-audited'), 0);
    await lab.set('namespace', [namespace('pods')]);
    for (const [from, to, what] of QUESTIONS)
      await eventually(async () => assert.equal(wordOf(await ask(from, to, what)), '200', `${from} to ${to}`));
    assert.ok((await counted('passed-audited')) >= 3);
    assert.equal(wordOf(await ask('client', 'web', { path: '/private' })), '403');
    assert.equal(wordOf(await ask('stranger', 'web', { path: '/public' })), 'timeout');
  });

  test('why-denied tells which rule came nearest to what was let through', async () => {
    const outcome = await ask('client', 'tried', { path: '/private', headers: { 'x-request-id': 'tried-1' } });
    assert.equal(wordOf(outcome), '200');
    const told = await eventually(() => lab.sluice('node-1', ['why-denied', 'tried-1']));
    assert.match(told, /^passed .* in audit mode/m);
    assert.match(told, /http\[0\] came nearest: path \/private is not \/public/);
  });

  test('it tells of one without an id, too, by that in the log, which the server never sees', async () => {
    const { headers } = seenBy(await ask('client', 'tried', { path: '/unnamed' }));
    assert.equal(headers['x-request-id'], undefined);
    const line = await eventually(() => {
      const found = said.find((each) => each.includes('"path":"/unnamed"'));
      assert.ok(found, said.join('\n'));
      return found;
    });
    const { requestId } = z.object({ requestId: z.string() }).parse(JSON.parse(line));
    const told = await eventually(() => lab.sluice('node-1', ['why-denied', requestId]));
    assert.match(told, /came nearest: path \/unnamed is not \/public/);
  });

  test('when it ends, all is denied again', async () => {
    await lab.set('namespace', [namespace('false')]);
    await areDenied();
  });

  test('where requests are to be seen they go by Envoy, whoever asks, and none is denied', async () => {
    const before = await counted('passed-steered');
    for (const from of ['client', 'stranger']) {
      const { from: address } = seenBy(await ask(from, 'seen', { path: '/anything' }));
      assert.ok(address.endsWith(lab.lab.pod(from).addresses.ipv4), address);
    }
    assert.ok((await counted('passed-steered')) > before);
    assert.equal(wordOf(await ask('client', 'seen', { port: OTHER_PORT })), '200');
    // Ends of connections may be on their way still, so packets that were steered tell nothing of other ports.
    assert.deepEqual(await outcomesAt('seen', 80), ['passed-steered']);
    assert.deepEqual(await outcomesAt('seen', OTHER_PORT), ['passed-unrestricted']);
  });
});
