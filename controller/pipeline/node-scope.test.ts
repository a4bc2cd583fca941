import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterPlacement, STANDALONE } from '../../ingress-controller/index.ts';
import { type KubeObject, validateObject } from '../../kube/index.ts';
import { overlaySettings, parseSettings, type Settings } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, ingressObject } from '../../testkit/kube-objects.ts';
import { Pipeline } from './pipeline.ts';

const EDGE = { matchLabels: { role: 'edge' } };
const NAMES = ['a', 'b', 'c'];
const AGENTS = endpointSliceObject(
  { endpoints: NAMES.map((nodeName, index) => ({ addresses: [`192.0.2.${index + 1}`], nodeName })), ports: [{ port: 20_000 }] },
  { name: 'sluice-nodes-1', namespace: 'sluice-system', labels: { 'kubernetes.io/service-name': 'sluice-nodes' } },
);
const INGRESS = ingressObject({ ingressClassName: 'cilium', rules: [{ host: 'a.test' }] }, { name: 'web', uid: 'u' });

function node(name: string, labels: Readonly<Record<string, string>>): KubeObject {
  const seen = validateObject({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels, annotations: { much: 'else' } } });
  assert.ok(seen.result === 'valid', JSON.stringify(seen));
  return seen.object;
}

function settingsObject(nodes: object | undefined): KubeObject {
  const metadata = { name: 'default', uid: 's', generation: 1 };
  const spec = { ingress: { ...(nodes && { nodes }) } };
  const seen = validateObject({ apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceSettings', metadata, spec });
  assert.ok(seen.result === 'valid', JSON.stringify(seen));
  return seen.object;
}

function settingsOf(ingress: object): Settings {
  const settings = parseSettings(JSON.stringify({ ingress: { hostNetwork: { enabled: true }, ...ingress } }), 's.yaml');
  assert.ok('settings' in settings, JSON.stringify(settings));
  return settings.settings;
}

function world(ingress: object = {}): Pipeline {
  const placement = (own: Settings['ingress']) => clusterPlacement(own, 'sluice-system');
  return new Pipeline({ settings: settingsOf(ingress), ports: PORTS, placement, asOf: new Date(0) });
}

function say(pipeline: Pipeline, objects: readonly KubeObject[], knowsNodes: boolean): void {
  pipeline.apply({ upserts: objects, removals: [] }, knowsNodes);
}

/** The addresses that the status of the Ingress is to tell. */
function addressesTold(pipeline: Pipeline): string[] {
  const actions = JSON.stringify([...pipeline.model.actions.values()]);
  return [...actions.matchAll(/192\.0\.2\.\d/g)].map(([address]) => address).sort();
}

test('without a selector all nodes serve, and nobody asks for their labels', () => {
  const pipeline = world();
  say(pipeline, [AGENTS, INGRESS], false);
  assert.deepEqual(addressesTold(pipeline), ['192.0.2.1', '192.0.2.2', '192.0.2.3']);
  assert.equal(pipeline.wantsNodes, false);
  assert.deepEqual(pipeline.takeNodes(), { serving: 'all', known: [] });
  assert.equal(pipeline.takeNodes(), undefined);
});

test('with one, those serve that it matches, as long as it does', () => {
  const pipeline = world({ nodes: EDGE });
  say(pipeline, [AGENTS, INGRESS, node('a', { role: 'edge' }), node('b', {})], true);
  assert.deepEqual([addressesTold(pipeline), [...pipeline.servingNodes()], pipeline.idleNodes()], [['192.0.2.1'], ['a'], ['b']]);
  assert.deepEqual(pipeline.takeNodes(), { serving: new Set(['a']), known: ['a', 'b'] });
  say(pipeline, [node('a', { role: 'edge', other: '1' })], true);
  say(pipeline, [node('c', { role: 'edge' }), node('a', { role: 'core' })], true);
  assert.deepEqual(addressesTold(pipeline), ['192.0.2.3']);
  assert.deepEqual(pipeline.takeNodes(), { serving: new Set(['c']), known: ['a', 'b', 'c'] });
  pipeline.apply({ upserts: [], removals: [{ kind: 'Node', namespace: '', name: 'c' }] });
  assert.deepEqual([addressesTold(pipeline), pipeline.takeNodes()?.serving], [[], new Set()]);
});

test('no node serves before labels are known, and with a new selector those of before', () => {
  const pipeline = world({ nodes: EDGE });
  say(pipeline, [AGENTS, INGRESS, node('a', { role: 'edge' })], false);
  assert.deepEqual([addressesTold(pipeline), pipeline.wantsNodes], [[], true]);
  say(pipeline, [], true);
  assert.deepEqual(addressesTold(pipeline), ['192.0.2.1']);

  const later = world();
  say(later, [AGENTS, INGRESS], false);
  say(later, [settingsObject(EDGE)], false);
  assert.deepEqual([addressesTold(later).length, later.wantsNodes, later.takeNodes()?.serving], [3, true, 'all']);
  say(later, [node('b', { role: 'edge' })], true);
  assert.deepEqual(addressesTold(later), ['192.0.2.2']);
  say(later, [settingsObject(undefined)], false);
  assert.equal(addressesTold(later).length, 3);
});

test('a selector that is wrong leaves the one that was', () => {
  const pipeline = world();
  say(pipeline, [AGENTS, INGRESS, node('a', { role: 'edge' }), settingsObject(EDGE)], true);
  for (const wrong of [{}, { matchLabels: { role: 'not a label' } }, { matchExpressions: [{ key: 'role', operator: 'In' }] }]) {
    say(pipeline, [settingsObject(wrong)], true);
    assert.deepEqual(addressesTold(pipeline), ['192.0.2.1']);
    assert.deepEqual(
      pipeline
        .diagnostics()
        .map(({ code }) => code)
        .filter((code) => /^Settings/.test(code)),
      ['SettingsRefused'],
    );
  }
});

test('a node that is made ready is not sent requests', () => {
  const pipeline = world();
  say(pipeline, [AGENTS, INGRESS], true);
  pipeline.prepare(new Set(['a', 'b']));
  assert.deepEqual(addressesTold(pipeline), ['192.0.2.3']);
  pipeline.prepare(new Set(['b']));
  assert.deepEqual(addressesTold(pipeline), ['192.0.2.1', '192.0.2.3']);
});

test('outside of a cluster there are no nodes to choose from', () => {
  const pipeline = new Pipeline({ settings: settingsOf({ nodes: EDGE }), ports: PORTS, placement: STANDALONE, asOf: new Date(0) });
  say(pipeline, [INGRESS], true);
  assert.deepEqual([pipeline.wantsNodes, pipeline.takeNodes()?.serving], [false, 'all']);
  assert.ok('settings' in overlaySettings(settingsOf({}), { ingress: { nodes: EDGE } }));
});
