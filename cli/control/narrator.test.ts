import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '../../collection/index.ts';
import type { ChangedEvent } from '../../controller/controller.ts';
import type { Model } from '../../controller/pipeline/pipeline.ts';
import type { EndpointSlice, KubeObject } from '../../kube/index.ts';
import type { ObjectRef } from '../../model/index.ts';
import type { LogEntry } from '../log.ts';
import { Narrator } from './narrator.ts';

const resource = { typeUrl: 't', name: 'n', version: 'v', body: new Uint8Array(), requires: [] };

function slice(name: string, endpoints: number): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', uid: undefined, creationTimestamp: undefined, labels: {}, annotations: {} },
    addressType: 'IPv4',
    endpoints: Array.from({ length: endpoints }, () => ({ addresses: ['10.0.0.1'], conditions: {} })),
    ports: [],
  };
}

function event(revision: number, upserts: readonly KubeObject[], removals: readonly ObjectRef[] = [], effect = true): ChangedEvent {
  return {
    kind: 'changed',
    batch: { upserts, removals, diagnostics: [], timing: { seenAt: performance.now(), readMs: 1 } },
    change: { upserts: effect ? [resource] : [], removals: [] },
    revision,
    timing: { readMs: 1, ingestMs: 1, translateMs: 1, publishMs: 1 },
  };
}

function narrate(...nodes: readonly string[]): { narrator: Narrator; lines: () => string[] } {
  const entries: LogEntry[] = [];
  const ingresses: Model['ingresses'] = new Graph().input('ingresses');
  const narrator = new Narrator({
    log: (entry) => entries.push(entry),
    model: { ingresses },
    locate: () => ({ file: '/m/a.yaml', line: 3, column: 1 }),
    connected: () => nodes,
  });
  const lines = () => entries.splice(0).map(({ event: word, text }) => `${word} ${text.replace(/\d+ ms/, 'N ms')}`);
  return { narrator, lines };
}

test('the first read is told in numbers, later changes by name, each once it is in force', () => {
  const { narrator, lines } = narrate();
  narrator.changed(event(1, [slice('a', 1), slice('b', 2)]));
  assert.deepEqual(lines(), []);
  narrator.synced('n1', 1);
  assert.deepEqual(lines(), ['read 2 objects: EndpointSlice 2, in force after N ms']);
  narrator.changed(event(2, [slice('a', 3), slice('c', 1)]));
  narrator.changed(event(3, [], [{ kind: 'EndpointSlice', namespace: 'default', name: 'b' }]));
  narrator.synced('n1', 2);
  assert.deepEqual(lines(), [
    'changed EndpointSlice default/a  (/m/a.yaml)  3 endpoints, in force after N ms',
    'added EndpointSlice default/c  (/m/a.yaml)  1 endpoint, in force after N ms',
  ]);
  narrator.synced('n1', 3);
  assert.deepEqual(lines(), ['removed EndpointSlice default/b  in force after N ms']);
  assert.deepEqual(narrator.countObjects(), { EndpointSlice: 2 });
});

test('what policy has taken is counted in the first read', () => {
  const { narrator, lines } = narrate();
  const first = event(1, [slice('a', 1)]);
  const taken = new Map([['Pod', 3] as const, ['CiliumNetworkPolicy', 1] as const]);
  narrator.changed({ ...first, batch: { ...first.batch, taken } });
  narrator.synced('n1', 1);
  assert.deepEqual(lines(), ['read 5 objects: CiliumNetworkPolicy 1, EndpointSlice 1, Pod 3, in force after N ms']);
  const second = event(2, []);
  narrator.changed({ ...second, batch: { ...second.batch, taken } });
  narrator.synced('n1', 2);
  assert.deepEqual(lines(), []);
});

test('a change that leads to nothing is told at once', () => {
  const { narrator, lines } = narrate();
  narrator.changed(event(1, []));
  narrator.synced('n1', 1);
  assert.deepEqual(lines(), ['read 0 objects, in force after N ms']);
  narrator.changed(event(1, [slice('a', 0)], [], false));
  assert.deepEqual(lines(), ['added EndpointSlice default/a  (/m/a.yaml)  0 endpoints, nothing else to do']);
});

test('many changes at once are told in numbers', () => {
  const { narrator, lines } = narrate();
  narrator.changed(event(1, []));
  narrator.synced('n1', 1);
  lines();
  narrator.changed(
    event(
      2,
      Array.from({ length: 30 }, (_, index) => slice(`s${index}`, 1)),
    ),
  );
  narrator.synced('n1', 2);
  assert.deepEqual(lines(), ['changed 30 objects: EndpointSlice 30, in force after N ms']);
});

test('a change is in force once the last node has answered that was there', () => {
  const { narrator, lines } = narrate('n1', 'n2', 'n3');
  narrator.changed(event(1, [slice('a', 1)]));
  narrator.synced('n1', 1);
  narrator.left('n3');
  assert.deepEqual(lines(), []);
  narrator.synced('n2', 1);
  assert.deepEqual(lines(), ['read 1 object: EndpointSlice 1, in force after N ms']);
});

test('where very many wait for a node, the oldest are told of as published', () => {
  const { narrator, lines } = narrate('n1');
  for (let revision = 1; revision <= 257; revision++) narrator.changed(event(revision, [slice('a', revision)]));
  assert.deepEqual(lines(), ['read 1 object: EndpointSlice 1, published; not all nodes have answered yet']);
});
