import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { BY_LISTENER, SHOP, type ShopText, shopConfig, shopServices, stamping } from './shop-config.ts';
import { SteeredLab } from './steered-lab.ts';

const PODS = ['client', 'one', 'two'].map((name) => ({ name, labels: { app: name } }));
const GOOD: ShopText = { weights: { one: 50, two: 50 }, mark: 'good' };
/** Right as far as Sluice can tell. */
const BAD = stamping('x-stamp', '%NOTHING_THAT_ENVOY_KNOWS%');
const findings = z.array(z.looseObject({ code: z.string(), message: z.string(), path: z.array(z.union([z.string(), z.number()])) }));

describe('a listener that a Service is led to, and that Envoy refuses', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    // As where no Envoy is at hand to try it before; nothing here needs flows, which shows that nothing does.
    const settings = { envoyConfig: { dryRun: false }, flows: { enabled: false } };
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods: PODS, settings }));
    for (const name of ['one', 'two']) await lab.peer(name).serve();
    lab.write('services', shopServices(lab));
  });
  after(() => cleanUp.disposeAsync());

  const ask = async (path: string) => await lab.peer('client').ask({ to: SHOP.ipv4, path });
  const isLed = async (mark: string) => await eventually(async () => assert.equal(seenBy(await ask('/one/a')).headers[BY_LISTENER], mark));
  const diagnostics = async () => {
    const url = 'http://127.0.0.1:9870/diagnostics';
    const told = findings.parse(JSON.parse(await lab.lab.node('node-1').run(['curl', '-sSf', url])));
    return told.map(({ code, path, message }) => `${code} ${path.join('.')}: ${message}`);
  };
  const isTold = (...expected: readonly RegExp[]) =>
    eventually(async () => {
      const told = await diagnostics();
      assert.equal(told.length, expected.length, told.join('\n'));
      for (const each of expected)
        assert.ok(
          told.some((line) => each.test(line)),
          told.join('\n'),
        );
    });

  test('is told, and leads nobody, where there was none before', async () => {
    lab.write('config', [shopConfig({ ...GOOD, httpFilters: [BAD] })]);
    await isTold(
      /^RejectedByEnvoy spec\.resources\.0: Envoy of node node-1 refuses the listener, so Services are not led to it: .*NOTHING/,
    );
    assert.equal(seenBy(await ask('/one/a')).headers[BY_LISTENER], undefined);
  });

  test('has all of its config stay what Envoy took last, for clients with rules, too', async () => {
    const egress = [{ toEndpoints: app('one'), toPorts: [tcpPort(80, [{ path: '/one/.*' }])] }];
    await lab.set('policies', [ciliumPolicy({ name: 'client', app: 'client', egress })]);
    lab.write('config', [shopConfig(GOOD)]);
    await isLed('good');
    await isTold();
    lab.write('config', [shopConfig({ ...GOOD, mark: 'bad', httpFilters: [BAD] })]);
    await isTold(
      /^RejectedByEnvoy spec\.resources\.0: Envoy "node-1" refused Listener "default\/shop\/front": .*NOTHING/,
      /^LastGoodEnvoyConfig spec: /,
    );
    assert.match(
      await lab.sluice('node-1', ['status']),
      /^config {5}CiliumEnvoyConfig default\/shop, not accepted: RejectedByEnvoy: .*, programmed on 1 of 1 node have what it said when it was right$/m,
    );
    // Its routes were right, and Envoy had taken them.
    await isLed('good');
    await eventually(async () => assert.equal(wordOf(await ask('/one')), '403'));
    lab.write('config', [shopConfig({ ...GOOD, mark: 'mended', httpFilters: [stamping('x-stamp', 'mended')] })]);
    await isLed('mended');
    await isTold();
    assert.equal(seenBy(await ask('/one/a')).headers['x-stamp'], 'mended');
  });

  test('is told of where no flows are remembered, which is told, too', async () => {
    await assert.rejects(lab.sluice('node-1', ['observe']), /remembers no flows: .*the setting flows\.enabled says otherwise/);
    assert.equal(existsSync(join(lab.folderOf('node-1'), 'state', 'flows.sock')), false);
    assert.equal(JSON.parse(await lab.sluice('node-1', ['status', '-o', 'json'])).flows, undefined);
  });
});
