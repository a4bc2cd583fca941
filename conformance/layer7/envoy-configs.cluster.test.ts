import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { othersDefinition } from '../../testkit/cilium-definitions.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import type { RunningLab } from '../lab/index.ts';
import { untilInForce } from '../lab/sluice.ts';
import { EnforcerProcess } from '../policy/enforcer-process.ts';
import { ask, type Expectation, untilHeard } from '../policy/hear.ts';
import { type HttpLoad, type HttpLoadTarget, httpLoadPod, readHttpLoad } from '../policy/http-pods.ts';
import { addressOf, answeringPod, untilReady } from '../policy/pods.ts';
import { startPolicedCluster } from '../policy/policed-cluster.ts';
import { authority, BACKEND_NAME, echoPod, NODE_PORT, SHOP_PORT, safe, services, shop, WORDS_PORT, words } from './cluster-configs.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';

const WITHIN = { withinMs: 120_000 };
const CLIENTS = ['near', 'far'] as const;
/** So often that each of two was most likely chosen. */
const OFTEN = 16;
/** Of each kind, by each pod, while something happens. */
const MIN_REQUESTS = 20;
const DENIED = '403 Access denied';
const NOT_LED = '500 one /one/load by no listener';

/** As Cilium has it: without a status. */
const CILIUMS = othersDefinition({
  kind: 'CiliumClusterwideEnvoyConfig',
  plural: 'ciliumclusterwideenvoyconfigs',
  singular: 'ciliumclusterwideenvoyconfig',
  shortNames: ['ccec'],
  labels: { 'io.cilium.k8s.crd.schema.version': '1.31.0' },
});

describe('CiliumEnvoyConfigs of a cluster', { ...needs('cluster', 'root', 'bpf', 'envoy'), timeout: 900_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  let enforcers: readonly EnforcerProcess[];
  let addresses: Readonly<Record<'shop' | 'safe' | 'words' | 'plain', string>>;
  /** Of pods that put load on others, by node. */
  let loading: readonly (readonly [node: string, address: string])[] = [];
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2, { definitions: [CILIUMS] }));
    enforcers = lab.nodes.map(({ name }) => new EnforcerProcess(lab, name));
    const certificate = makeCertificate({ names: [BACKEND_NAME] });
    const client = (name: string, node: string) => answeringPod({ name, node, labels: { app: name }, ports: [9_999] });
    await lab.apply([
      ...services('one', 'two'),
      authority(certificate),
      echoPod('one', 'node-1', certificate),
      echoPod('two', 'node-2', certificate),
      client('near', 'node-1'),
      client('far', 'node-2'),
    ]);
    await untilReady(lab, 'one', 'two', ...CLIENTS);
    const addressIn = async (name: string) => await lab.kubectl('get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}');
    const [toShop = '', toSafe = '', toWords = '', toPlain = ''] = await Promise.all(['shop', 'safe', 'words', 'plain'].map(addressIn));
    addresses = { shop: toShop, safe: toSafe, words: toWords, plain: toPlain };
    // The kind comes once the enforcers are there.
    await eventually(() => lab.apply([shop('led'), safe(), words()]), WITHIN);
  });
  after(() => cleanUp.disposeAsync());

  const toShop = (path: string) => ({ host: addresses.shop, port: SHOP_PORT, http: { path } });
  const heard = (path: string, what: string, from: readonly string[] = CLIENTS) =>
    from.map((each): Expectation => [each, toShop(path), what]);
  const untilMarked = async (mark: string) => await untilHeard(lab, ...heard('/one/mark', `200 one /one/mark ${mark}`));
  const untilNotLed = async () => {
    const answers = /^500 (one|two) \/one\/mark by no listener$/;
    await eventually(async () => {
      for (const from of CLIENTS) assert.match(String(await ask(lab, from, toShop('/one/mark'))), answers);
    }, WITHIN);
  };

  test('split, translate paths, try again and change headers, for clients of both nodes', async () => {
    await untilHeard(
      lab,
      ...heard('/one/a', '200 one /one/a led'),
      ...heard('/two/a', '200 two /two/a led'),
      ...heard('/old/sale/7', '200 one /new/7/of/sale led'),
      ...heard('/flaky/a', '200 one /flaky/a led'),
      ...CLIENTS.map((from): Expectation => [from, { ...toShop('/a'), times: OFTEN }, '200 one /a led 200 two /a led']),
    );
  });

  test('have the node ports of their Services, for clients of the same node and of the other', async () => {
    const expectations = lab.nodes.flatMap(({ address: host }) =>
      CLIENTS.map((from): Expectation => [from, { host, port: NODE_PORT, http: { path: '/one/a' } }, '200 one /one/a led']),
    );
    await untilHeard(lab, ...expectations);
  });

  test('say so in their statuses once both nodes have their listeners', async () => {
    for (const name of ['shop', 'safe']) {
      const path = `{.status.conditions[?(@.type=="Programmed")].message}`;
      await lab.kubectl('wait', '--for=condition=Programmed', `cec/${name}`, '--timeout=60s');
      assert.equal(await lab.kubectl('get', 'cec', name, '-o', `jsonpath=${path}`), '2 of 2 nodes');
    }
  });

  test('limit what each node is asked', async () => {
    for (const from of CLIENTS) {
      const [answers = []] = await ask(lab, from, { ...toShop('/limited'), times: 4 });
      assert.deepEqual(answers.slice(-2), ['429 local_rate_limited', '429 local_rate_limited'], from);
    }
  });

  test('ask backends by TLS, whose authority is in a Secret', async () => {
    await untilHeard(
      lab,
      ...CLIENTS.map((from): Expectation => [from, { host: addresses.safe, port: SHOP_PORT, http: { path: '/a' } }, '200 two /a safe']),
    );
  });

  test('of no namespace lead connections, also where the definition is one without a status', async () => {
    // By itself it would be either of two.
    await untilHeard(lab, ...CLIENTS.map((from): Expectation => [from, { host: addresses.words, port: WORDS_PORT, times: OFTEN }, 'two']));
    const { metadata } = JSON.parse(await lab.kubectl('get', 'crd', CILIUMS.metadata.name, '-o', 'json'));
    assert.equal(metadata.labels['io.cilium.k8s.crd.schema.version'], '1.31.0');
  });

  test('leave nobody where he may not go, by rules that are each client’s own', async () => {
    const only = (name: string, path: string) => tcpPort(SHOP_PORT, [{ path: `/${name}/${path}` }]);
    await lab.apply([
      policed(ciliumPolicy({ name: 'near', app: 'near', egress: [{ toEndpoints: app('one'), toPorts: [only('one', 'near')] }] })),
      policed(ciliumPolicy({ name: 'far', app: 'far', egress: [{ toEndpoints: app('one'), toPorts: [only('one', 'far')] }] })),
    ]);
    const expectations = CLIENTS.flatMap((own) => [
      ...CLIENTS.flatMap((path) => heard(`/one/${path}`, path === own ? `200 one /one/${own} led` : DENIED, [own])),
    ]);
    await untilHeard(lab, ...expectations);
    for (const from of CLIENTS) assert.match(String(await ask(lab, from, toShop('/two/a'))), /^503 /);
    await lab.kubectl('delete', 'cnp', ...CLIENTS);
    await untilHeard(lab, ...heard('/two/a', '200 two /two/a led'), ...heard('/one/a', '200 one /one/a led'));
  });

  test('go on while they are edited, while controllers are away, and with agents and enforcers that start then', async () => {
    const egress = [{ toEndpoints: app('one'), toPorts: [tcpPort(SHOP_PORT, [{ path: '/one/.*' }])] }];
    await lab.apply([policed(ciliumPolicy({ name: 'load', app: 'load', egress }))]);
    await startLoads(toLoad());
    await assertGoesOn();
    await lab.apply([shop('edited')]);
    await untilMarked('edited');
    await assertGoesOn();
    await scaleControllers(0);
    const since = Date.now();
    await Promise.all(enforcers.flatMap((enforcer) => [enforcer.kill('agent'), enforcer.kill()]));
    await Promise.all(enforcers.flatMap((enforcer) => [enforcer.untilInForce(since), enforcer.untilInForce(since, 'agent')]));
    await assertGoesOn();
    await scaleControllers(2);
    await untilInForce(lab);
    await assertGoesOn();
    await untilMarked('edited');
    await lab.apply([shop('after')]);
    await untilMarked('after');
    await assertGoesOn();
  });

  test('are in force on nodes that no Ingress is for', async () => {
    const spec = { ingress: { nodes: { matchLabels: { 'no-node': 'has-this' } } } };
    await lab.apply([{ apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceSettings', metadata: { name: 'default' }, spec }]);
    await eventually(async () => {
      for (const { name } of lab.nodes) {
        const { stdout } = await lab.run(['curl', '-s', '-m', '5', 'http://127.0.0.1:15010/snapshot'], { where: name });
        assert.doesNotMatch(stdout, /sluice\.scopes/);
        assert.match(stdout, /default\/shop\/one/);
      }
    }, WITHIN);
    await assertGoesOn();
    await lab.apply([shop('elsewhere')]);
    await untilMarked('elsewhere');
    await untilHeard(
      lab,
      ...CLIENTS.map((from): Expectation => [from, { host: addresses.safe, port: SHOP_PORT, http: { path: '/b' } }, '200 two /b safe']),
    );
    await assertGoesOn();
    await lab.kubectl('delete', 'sluicesettings', 'default');
    await lab.kubectl('delete', 'pod', ...lab.nodes.map(({ name }) => `load-${name}`), '--wait');
    await lab.kubectl('delete', 'cnp', 'load');
  });

  test('are for the nodes whose labels they ask for, as these are', async () => {
    const label = async (node: string, text: string) => await lab.kubectl('label', 'node', node, `edge.test/has-configs${text}`);
    const is = async (near: string, far: string) => {
      const word = (what: string) => (what === 'led' ? /^200 one \/one\/mark edge$/ : /^500 (one|two) \/one\/mark by no listener$/);
      await eventually(async () => {
        for (const [from, what] of [['near', near] as const, ['far', far] as const])
          assert.match(String(await ask(lab, from, toShop('/one/mark'))), word(what), from);
      }, WITHIN);
    };
    await label('node-1', '=yes');
    await lab.apply([shop('edge', { nodeSelector: { matchLabels: { 'edge.test/has-configs': 'yes' } } })]);
    await is('led', 'translated');
    await label('node-2', '=yes');
    await is('led', 'led');
    await label('node-1', '-');
    await is('translated', 'led');
    await label('node-2', '-');
    await is('translated', 'translated');
    await lab.apply([shop('elsewhere')]);
    await untilMarked('elsewhere');
  });

  test('are what a Service amounts to that asks for its requests to be balanced', async () => {
    const annotate = async (text: string) => await lab.kubectl('annotate', 'service', 'plain', `service.cilium.io/lb-l7${text}`);
    const toPlain = { host: addresses.plain, port: SHOP_PORT, http: { path: '/a' }, times: OFTEN };
    const by = (whom: string, status: number) => `${status} one /a ${whom} ${status} two /a ${whom}`;
    const areHeard = async (what: string) => await untilHeard(lab, ...CLIENTS.map((from): Expectation => [from, toPlain, what]));
    const patchPlain = async (spec: object) => await lab.kubectl('patch', 'service', 'plain', '-p', JSON.stringify({ spec }));
    const areKeptNear = async (keep: (isKept: boolean) => Promise<unknown>) => {
      await keep(true);
      await untilHeard(lab, ['near', toPlain, '200 one /a by Envoy'], ['far', toPlain, '200 two /a by Envoy']);
      await keep(false);
      await areHeard(by('by Envoy', 200));
    };
    await areHeard(by('by no listener', 500));
    await annotate('=enabled');
    await areHeard(by('by Envoy', 200));
    await areKeptNear(async (isKept) => await patchPlain({ internalTrafficPolicy: isKept ? 'Local' : 'Cluster' }));
    // Hints of zones are Kubernetes' own.
    for (const { name } of lab.nodes) await lab.kubectl('label', 'node', name, `topology.kubernetes.io/zone=of-${name}`);
    await areKeptNear(async (isKept) => await patchPlain({ trafficDistribution: isKept ? 'PreferClose' : null }));
    await annotate('-');
    await areHeard(by('by no listener', 500));
  });

  test('that are wrong leave in force what was right, and say so', async () => {
    await lab.apply([shop('wrong', { services: [{ name: 'shop', ports: [SHOP_PORT], listener: 'back' }] })]);
    const events = async () =>
      await lab.kubectl('get', 'events.events.k8s.io', '-o', 'jsonpath={range .items[*]}{.regarding.name} {.reason} {.note}{"\\n"}{end}');
    await eventually(async () => assert.match(await events(), /^shop ReferenceNotFound spec\.services\[0\]\.listener: .*"back"/m), WITHIN);
    await untilMarked('elsewhere');
    await lab.apply([shop('right')]);
    await untilMarked('right');
  });

  test('of which Envoys refuse a listener are as a whole what they were, say so, and are so for whoever starts anew', async () => {
    const condition = async (type: string) =>
      await lab.kubectl('get', 'cec', 'shop', '-o', `jsonpath={.status.conditions[?(@.type=="${type}")].message}`);
    await lab.apply([shop('right')]);
    await untilMarked('right');
    await lab.kubectl('wait', '--for=condition=Programmed', 'cec/shop', '--timeout=60s');
    const remembered = async () => await lab.kubectl('get', 'cec', 'shop', '-o', 'jsonpath={.status.lastAccepted.generation}');
    const before = await remembered();
    await lab.apply([shop('%NOTHING_THAT_ENVOY_KNOWS%')]);
    const said =
      /^spec\.resources\[0\]: Envoy "node-\d" refused Listener "default\/shop\/front": .*NOTHING.*stays in force \(generation \d+\)$/s;
    const isTold = async () => {
      await eventually(async () => assert.match(await condition('Accepted'), said), WITHIN);
      await eventually(async () => {
        assert.equal(await condition('Programmed'), '2 of 2 nodes have what it said when it was right');
      }, WITHIN);
      assert.equal(await remembered(), before);
    };
    await isTold();
    await untilMarked('right');
    await scaleControllers(0);
    await scaleControllers(2);
    await untilInForce(lab);
    await isTold();
    await untilMarked('right');
    await lab.apply([shop('mended')]);
    await untilMarked('mended');
  });

  test('that are made anew have nothing of those before, and nobody hears an error while they come and go', async () => {
    await startLoads({ ...toLoad(), kinds: ['anew'], deniedKinds: [] });
    await untilAllowed();
    await lab.kubectl('delete', 'cec', 'shop');
    await untilNotLed();
    await untilAllowed(() => lab.apply([shop('anew')]));
    await untilMarked('anew');
    // One after the other, so that hardly anybody hears of the time between.
    await lab.kubectl('delete', 'cec', 'shop');
    await lab.apply([shop('wrong', { resources: [] })]);
    await untilNotLed();
    await untilAllowed(() => lab.apply([shop('last')]));
    await untilMarked('last');
    for (const { failures } of await loads())
      assert.deepEqual([...new Set(failures.map((failure) => failure.replace(/^.*Z: /, '').replace(' two ', ' one ')))], [NOT_LED]);
  });

  function toLoad(): HttpLoadTarget {
    return { authority: `${addresses.shop}:${SHOP_PORT}`, allowedPath: '/one/load', deniedPath: '/one' };
  }

  async function startLoads(target: HttpLoadTarget): Promise<void> {
    await lab.apply(lab.nodes.map(({ name }) => httpLoadPod(`load-${name}`, name, target)));
    await untilReady(lab, ...lab.nodes.map(({ name }) => `load-${name}`));
    loading = await Promise.all(lab.nodes.map(async ({ name }) => [name, await addressOf(lab, `load-${name}`)] as const));
  }

  async function loads(): Promise<readonly HttpLoad[]> {
    return await Promise.all(loading.map(([node, from]) => readHttpLoad(lab, from, node)));
  }

  /** Resolves when some requests of each kind were answered since, by every pod, and none as it should not be. */
  async function assertGoesOn(): Promise<void> {
    const before = await loads();
    await eventually(async () => {
      for (const [index, { allowed, denied, failures }] of (await loads()).entries()) {
        const then = before[index];
        assert.ok(then);
        assert.deepEqual(failures, []);
        const counts = (['kept', 'anew'] as const).flatMap((how) => [allowed[how] - then.allowed[how], denied[how] - then.denied[how]]);
        assert.ok(Math.min(...counts) >= MIN_REQUESTS, counts.join());
      }
    }, WITHIN);
  }

  /** Resolves when every pod was answered some time more, since something was done. */
  async function untilAllowed(change: () => Promise<unknown> = async () => {}): Promise<void> {
    const before = await loads();
    await change();
    await eventually(async () => {
      for (const [index, { allowed }] of (await loads()).entries())
        assert.ok(allowed.anew - (before[index]?.allowed.anew ?? 0) >= MIN_REQUESTS, JSON.stringify(allowed));
    }, WITHIN);
  }

  async function scaleControllers(replicas: number): Promise<void> {
    await lab.kubectl('-n', 'sluice-system', 'scale', 'deployment/sluice-controller', `--replicas=${replicas}`);
    if (replicas > 0) return;
    const selection = ['-l', 'app.kubernetes.io/component=controller'];
    await lab.kubectl('-n', 'sluice-system', 'wait', '--for=delete', 'pod', ...selection, '--timeout=120s');
  }
});

function policed(policy: object): object {
  return { ...policy, metadata: { ...Reflect.get(policy, 'metadata'), namespace: 'default' } };
}
