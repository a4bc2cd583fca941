import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '../../collection/index.ts';
import { clusterPlacement, type Placement } from '../../ingress-controller/index.ts';
import { type KubeObject, refOf, validateObject } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import { DEFAULT_SETTINGS, FILE_SECTIONS, type Settings, settingsSchema } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, ingressObject, serviceObject } from '../../testkit/kube-objects.ts';
import { Pipeline } from './pipeline.ts';
import { SettingsInForce } from './settings-in-force.ts';

const SETTINGS_ACTION = `status:${objectKey({ kind: 'SluiceSettings', namespace: '', name: 'default' })}`;

function settingsObject(spec: object, { uid = 'u1', generation = 1, name = 'default', status = {} } = {}): KubeObject {
  const metadata = { name, uid, generation };
  const seen = validateObject({ apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceSettings', metadata, spec, status });
  assert.ok(seen.result === 'valid', JSON.stringify(seen));
  return seen.object;
}

function world(placement: (ingress: Settings['ingress']) => Placement = (ingress) => clusterPlacement(ingress, 'sluice-system')): Pipeline {
  const pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, placement, asOf: new Date(0) });
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const ingress = ingressObject(
    { ingressClassName: 'cilium', rules: [{ host: 'a.test', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
    { annotations: { 'ingress.cilium.io/loadbalancer-mode': 'shared' } },
  );
  const service = serviceObject({ ports: [{ port: 80 }], clusterIP: '10.0.0.1' });
  const slice = endpointSliceObject(
    { endpoints: [{ addresses: ['10.1.0.1'] }], ports: [{ port: 80 }] },
    { labels: { 'kubernetes.io/service-name': 'web' } },
  );
  pipeline.apply({ upserts: [ingress, service, slice], removals: [] });
  assert.ok([...pipeline.model.virtualHosts.values()].length > 0);
  return pipeline;
}

function say(pipeline: Pipeline, ...objects: readonly KubeObject[]) {
  return pipeline.apply({ upserts: objects, removals: [] });
}

function accessLogs(pipeline: Pipeline): readonly string[] {
  return [...new Set([...pipeline.model.listeners.values()].map(({ http }) => http.accessLog))];
}

test('a change of one part computes only what depends on it', () => {
  const pipeline = world();
  const { ingresses, virtualHosts, clusters, endpointSets, listeners } = pipeline.model;
  const kept = [ingresses, virtualHosts, clusters, endpointSets];
  const before = kept.map((collection) => [...collection.values()]);
  assert.ok(before.every((values) => values.length > 0));
  say(pipeline, settingsObject({ http: { accessLog: 'json' } }));
  assert.deepEqual(accessLogs(pipeline), ['json']);
  assert.ok([...listeners.changed].length > 0);
  for (const [index, collection] of kept.entries()) {
    assert.deepEqual([...collection.changed], []);
    for (const [at, value] of [...collection.values()].entries()) assert.equal(value, before[index]?.[at]);
  }
});

test('a change of what clusters are made of leaves virtual hosts and listeners', () => {
  const pipeline = world();
  say(pipeline, settingsObject({ upstream: { connectTimeout: '1s' } }));
  const { virtualHosts, clusters, listeners } = pipeline.model;
  assert.equal([...clusters.changed].length, 1);
  assert.deepEqual([[...virtualHosts.changed], [...listeners.changed]], [[], []]);
});

test("what is asked of nodes' own settings changes nothing, and is told", () => {
  const pipeline = world();
  const { upserts, removals } = say(pipeline, settingsObject({ envoy: { logLevel: 'debug', concurrency: 2, regexMaxProgramSize: 200 } }));
  assert.deepEqual([upserts, removals], [[], []]);
  const told = pipeline.diagnostics().filter(({ code }) => code === 'SettingsNeedRestart');
  assert.deepEqual(
    told.map(({ path }) => path.join('.')),
    ['spec.envoy.concurrency', 'spec.envoy.logLevel', 'spec.envoy.regexMaxProgramSize'],
  );
  assert.match(JSON.stringify(pipeline.model.actions.get(SETTINGS_ACTION)), /"NeedsRestart"/);
});

test('none of the sections that are read from the file is in force as an object has it', () => {
  const spec = {
    http: { accessLog: 'json' },
    envoy: { logLevel: 'debug' },
    policy: { enforcement: 'always' },
    envoyConfig: { dryRun: false },
    flows: { capacity: 7 },
    metrics: { maxSeries: 11 },
    tracing: { changes: true },
  };
  const other = settingsSchema.parse(spec);
  const inForce = new SettingsInForce(DEFAULT_SETTINGS);
  const object = settingsObject(spec);
  assert.ok(object.kind === 'SluiceSettings');
  const graph = new Graph();
  inForce.take({ settings: graph.input('settings'), verdicts: graph.input('verdicts') }, object, new Date(0));
  for (const section of FILE_SECTIONS) {
    assert.notDeepEqual(other[section], DEFAULT_SETTINGS[section], `${section} is no case`);
    assert.deepEqual(inForce.current[section], DEFAULT_SETTINGS[section], section);
  }
  assert.equal(inForce.current.http.accessLog, 'json');
});

test('a wrong object leaves what it said before in force, until it goes', () => {
  const pipeline = world();
  const good = settingsObject({ http: { accessLog: 'json' } });
  say(pipeline, good);
  say(pipeline, settingsObject({ http: { accessLog: 'json', streamIdleTimeout: 'soon' } }, { generation: 2 }));
  assert.deepEqual(accessLogs(pipeline), ['json']);
  assert.deepEqual(
    pipeline
      .diagnostics()
      .filter(({ code }) => code === 'SettingsRefused')
      .map(({ path }) => path.join('.')),
    ['spec.http.streamIdleTimeout'],
  );
  pipeline.apply({ upserts: [], removals: [refOf(good)] });
  assert.deepEqual(accessLogs(pipeline), ['off']);
});

test('a wrong object at the start leaves the file in force, and so does another object of the name', () => {
  const pipeline = world();
  say(pipeline, settingsObject({ http: 'all' }));
  assert.deepEqual(accessLogs(pipeline), ['off']);
  say(pipeline, settingsObject({ http: { accessLog: 'json' } }));
  say(pipeline, settingsObject({ http: 'all' }, { uid: 'u2' }));
  assert.deepEqual(accessLogs(pipeline), ['off']);
});

test('an object of another name has no effect, and is told', () => {
  const pipeline = world(() => ({ kind: 'standalone' }));
  say(pipeline, settingsObject({ http: { accessLog: 'json' } }, { name: 'other' }));
  assert.deepEqual(accessLogs(pipeline), ['off']);
  assert.deepEqual(pipeline.diagnostics().filter(({ code }) => code === 'SettingsRefused').length, 1);
});

test('hosts move from load balancers to the network of nodes and back', () => {
  const pipeline = world();
  const keys = () => [...pipeline.model.actions.keys()].filter((key) => key.startsWith('apply:Service/'));
  assert.equal(keys().length, 1);
  const before = [...pipeline.model.listeners.values()];
  const object = settingsObject({ ingress: { hostNetwork: { enabled: true, sharedListenerPort: 8081 } } });
  say(pipeline, object);
  assert.ok([...pipeline.model.listeners.values()].some(({ port }) => port === 8081));
  assert.deepEqual(keys(), []);
  pipeline.apply({ upserts: [], removals: [refOf(object)] });
  assert.deepEqual([...pipeline.model.listeners.values()], before);
});

test('the status is written once, with the generation that was judged', () => {
  const pipeline = world();
  say(pipeline, settingsObject({}, { generation: 7 }));
  const action = pipeline.model.actions.get(SETTINGS_ACTION);
  assert.ok(action?.kind === 'status');
  const { status } = action.manifest;
  assert.match(JSON.stringify(status), /"observedGeneration":7/);
  say(pipeline, settingsObject({}, { generation: 7, status: Object(status) }));
  assert.equal(pipeline.model.actions.get(SETTINGS_ACTION), undefined);
});
