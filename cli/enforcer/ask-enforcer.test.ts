import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { cleanUpNode } from '../../bpf/datapath/index.ts';
import { CLIENT, CLOSED, OPEN, WEB } from '../../bpf/datapath/testing/judged.ts';
import { PodNetwork, type TestPod } from '../../bpf/datapath/testing/pod-network.ts';
import { Cgroup } from '../../bpf/libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { Metrics } from '../../controller/admin/metrics.ts';
import { startAdminServer } from '../../controller/admin/server.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { answerJson, answerStatus, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { translateAddress, translateIdentity, translateNodeEndpoints } from '../../xds-server/translate/node/identities.ts';
import { translateSubjectPolicy } from '../../xds-server/translate/node/policy.ts';
import { CliError } from '../cli-error.ts';
import { askAllEndpoints, askClusterIdentities } from './ask-enforcer.ts';
import { Enforcement } from './enforcement.ts';
import { EnforcerView } from './enforcer-view.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const LABELS = ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop'];

function endpoint(name: string, identity: number, addresses: readonly string[]) {
  return { pod: { kind: 'Pod', namespace: 'shop', name }, uid: `uid-${name}`, node: 'n1', addresses, identity };
}

describe('an enforcer on this node', needs('root', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let pod: TestPod;
  let newcomer: TestPod;
  let port: string;
  before(async () => {
    const network = cleanUp.use(new PodNetwork());
    pod = await network.addPod('veth-web', 1);
    cleanUp.defer(async () => {
      await cleanUpNode(PINS);
    });
    const upstream = { target: 'unix:/nowhere/enforcer.sock', credentials: credentials.createInsecure() };
    // At the root of all cgroups it would judge what other tests' Envoys open.
    const cgroup = cleanUp.use(new Cgroup()).folder;
    const stateFolder = cleanUp.use(new TemporaryFolder()).path;
    const enforcement = cleanUp.use(
      await Enforcement.start({ upstream, nodeName: 'n1', pinFolder: PINS, stateFolder, cgroup, onEvent: () => {} }),
    );
    const endpoints = [endpoint('web', WEB, pod.addresses), endpoint('lost', CLIENT, ['10.0.1.77'])];
    const refused = await enforcement.node.apply({
      upserts: [
        ...[WEB, CLIENT].map((subject) => translateSubjectPolicy({ subject, ingress: CLOSED, egress: OPEN })),
        translateIdentity({ identity: WEB, labels: LABELS }),
        translateIdentity({ identity: 9, labels: ['reserved:world', 'reserved:world-ipv4'] }),
        translateAddress({ prefix: `${pod.addresses[0]}/32`, identity: WEB }),
        translateAddress({ prefix: '0.0.0.0/0', identity: 9 }),
        translateNodeEndpoints({ node: 'n1', nodeAddresses: [], endpoints, guardedNetworks: ['10.0.0.0/8'] }),
      ],
      removals: [],
    });
    assert.deepEqual(refused, new Map());
    const view = new EnforcerView(enforcement);
    const admin = await startAdminServer({ view, metrics: new Metrics(view), port: 0 });
    cleanUp.defer(() => admin.close());
    port = String(admin.port);
    await eventually(() => assert.equal(view.status().enforcement?.endpoints.length, 1));
    newcomer = await network.addPod('veth-new', 2);
    await eventually(() => assert.equal(view.status().enforcement?.newcomers?.length, 1));
  });
  after(() => cleanUp.disposeAsync());

  test('tells its pods, those without a device also, for which the exit code is 1', async () => {
    const { code, stdout, stderr } = await runSluiceCommand(['endpoints', '--admin-port', port]);
    assert.deepEqual([code, stderr], [1, '']);
    const [heads, ...lines] = stdout.split('\n').map((line) => line.split(/ {2,}/));
    assert.deepEqual(heads, ['POD', 'STATE', 'IDENTITY', 'DEVICE', 'ADDRESSES', 'LABELS']);
    assert.deepEqual(lines, [
      ['shop/lost', 'missing', '-', '-', '-', '-'],
      ['shop/web', 'judged', String(WEB), 'veth-web', pod.addresses.join(','), LABELS.join(',')],
      [''],
      ['shop/lost is not judged: no device was found for it'],
      [`veth-new leads to a pod that nobody has told the address of yet (${newcomer.addresses[0]}): it is judged as reserved:init`],
      [''],
    ]);
    const { endpoints } = JSON.parse((await runSluiceCommand(['endpoints', '--admin-port', port, '-o', 'json'])).stdout);
    assert.deepEqual(endpoints[1].labels, LABELS);
  });

  test('tells identities: all, or one with its labels and addresses', async () => {
    const list = await runSluiceCommand(['identity', 'list', '--admin-port', port]);
    assert.equal(list.code, 0, list.stderr);
    const rows = list.stdout.split('\n').map((line) => line.split(/ {2,}/));
    assert.deepEqual(rows[0], ['IDENTITY', 'LABELS', 'ADDRESSES']);
    assert.deepEqual(rows.slice(-3), [
      ['9', 'reserved:world,reserved:world-ipv4', '0.0.0.0/0'],
      [String(WEB), LABELS.join(','), `${pod.addresses[0]}/32`],
      [''],
    ]);
    const one = await runSluiceCommand(['identity', 'get', String(WEB), '--admin-port', port]);
    const lines = [`identity   ${WEB}`, ...LABELS.map((label) => `label      ${label}`), `address    ${pod.addresses[0]}/32`];
    assert.deepEqual(one, { code: 0, stdout: `${lines.join('\n')}\n`, stderr: '' });
    const none = await runSluiceCommand(['identity', 'get', '4711', '--admin-port', port]);
    assert.deepEqual(none, { code: 1, stdout: '', stderr: 'sluice: nobody has the identity 4711 on this node\n' });
  });

  test('that is none, or of nobody, is told', async () => {
    for (const command of [['endpoints'], ['identity', 'list']]) {
      const { code, stderr } = await runSluiceCommand([...command, '--admin-port', '1']);
      assert.equal(code, 1);
      assert.match(stderr, /^sluice: no enforcer answers on 127\.0\.0\.1:1; does `sluice enforcer` run/);
    }
  });
});

describe('of a cluster', () => {
  const metadata = (component: string) => ({ name: `sluice-${component}-1`, labels: { 'app.kubernetes.io/component': component } });
  const waiting = { name: 'enforcer', state: { waiting: { reason: 'CrashLoopBackOff' } } };

  test('nodes whose enforcer does not run are told', async () => {
    await using server = await ScriptedApiServer.start((_, response) => {
      const pod = { metadata: metadata('enforcer'), spec: { nodeName: 'n1' }, status: { containerStatuses: [waiting] } };
      answerJson(response, 200, { items: [pod] });
    });
    await using open = new AsyncDisposableStack();
    const client = server.client();
    open.defer(() => client.close());
    assert.deepEqual(await askAllEndpoints(client, 'sluice-system'), {
      endpoints: [],
      newcomers: [],
      notSteered: [],
      silent: [{ node: 'n1', why: 'its container does not run: CrashLoopBackOff' }],
    });
  });

  test('identities are its SluiceIdentities; without those kinds policy is not installed', async () => {
    let isInstalled = true;
    await using server = await ScriptedApiServer.start(({ path }, response) => {
      if (!isInstalled) answerStatus(response, 404, 'the server could not find the requested resource');
      else if (path.endsWith('/pods')) answerJson(response, 200, { items: [] });
      else answerJson(response, 200, { items: [300, 256].map((name) => ({ metadata: { name: String(name) }, spec: { labels: LABELS } })) });
    });
    await using open = new AsyncDisposableStack();
    const client = server.client();
    open.defer(() => client.close());
    assert.deepEqual(await askClusterIdentities(client), [
      { identity: 256, labels: LABELS, addresses: [] },
      { identity: 300, labels: LABELS, addresses: [] },
    ]);
    await assert.rejects(askAllEndpoints(client, 'sluice-system'), (error) => {
      return error instanceof CliError && /^no enforcer runs in the namespace sluice-system/.test(error.message);
    });
    isInstalled = false;
    await assert.rejects(askClusterIdentities(client), (error) => error instanceof CliError && /no SluiceIdentities/.test(error.message));
  });
});
