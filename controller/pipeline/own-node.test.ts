import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KubeObject, refOf, validateObject } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { envoyConfigObject } from '../../testkit/kube-objects.ts';
import { Pipeline } from './pipeline.ts';

const CLUSTER = { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'web', type: 'STATIC' };
const config = (nodeSelector?: object) => envoyConfigObject({ resources: [CLUSTER], ...(nodeSelector && { nodeSelector }) });
const EDGE = { matchLabels: { edge: 'yes' } };

function node(name: string, labels: Readonly<Record<string, string>>): KubeObject {
  const seen = validateObject({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
  assert.ok(seen.result === 'valid');
  return seen.object;
}

class Scene {
  readonly pipeline: Pipeline;

  constructor(ownNode: string | undefined) {
    this.pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date(0), ...(ownNode && { ownNode }) });
  }

  /** @returns what is served of the config, which nodes others are told that it is for, and what is told */
  take(upserts: readonly KubeObject[], removals: readonly KubeObject[] = []) {
    this.pipeline.apply({ upserts, removals: removals.map(refOf) });
    const { scopes } = this.pipeline.takeListeners();
    return {
      served: this.pipeline.resources().some(({ name }) => name === 'default/web/web'),
      nodes: scopes.map(({ scope }) => scope?.nodeSelector),
      told: this.pipeline.diagnostics().map(({ code, path }) => `${code} ${path.join('.')}`),
    };
  }
}

describe('a config that is for some nodes', () => {
  test('is served where it is for the node, and follows its labels', () => {
    const scene = new Scene('n1');
    const other = node('n2', { edge: 'yes' });
    const away = { served: false, nodes: [], told: ['NodeNotSelected spec.nodeSelector'] };
    assert.deepEqual(scene.take([config(EDGE), node('n1', { edge: 'no' }), other]), away);
    assert.deepEqual(scene.take([node('n1', { edge: 'yes' })]), { served: true, nodes: [undefined], told: [] });
    assert.deepEqual(scene.take([node('n1', {})]), { ...away, nodes: [undefined] });
    assert.deepEqual(scene.take([config()]), { served: true, nodes: [undefined], told: [] });
  });

  test('is served where nobody tells of the node, and that is told', () => {
    const scene = new Scene('n1');
    assert.deepEqual(scene.take([config(EDGE)]), { served: true, nodes: [undefined], told: ['NodeUnknown spec.nodeSelector'] });
    const own = node('n1', {});
    assert.equal(scene.take([own]).served, false);
    assert.equal(scene.take([], [own]).served, true);
  });

  test('is for others to lead to these where there is more than one', () => {
    const scene = new Scene(undefined);
    assert.deepEqual(scene.take([config(EDGE), node('n1', {})]), { served: true, nodes: [EDGE], told: [] });
  });
});
