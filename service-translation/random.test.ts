import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Graph, type Input } from '../collection/index.ts';
import type { EndpointSlice, Service } from '../kube/index.ts';
import { endpointSliceObject, serviceObject } from '../testkit/kube-objects.ts';
import { deriveTranslations, ONLY, translateServices } from './index.ts';
import { ADDRESSES, NODE_PORTS, PORTS, PROTOCOLS, worlds } from './testing/random-services.ts';
import { type Asked, type Reading, readSlowly } from './testing/slow-reading.ts';

const QUESTIONS: readonly Asked[] = (['IPv4', 'IPv6'] as const).flatMap((family) =>
  PROTOCOLS.flatMap((protocol) => [
    ...ADDRESSES[family].flatMap((address) => PORTS.map((number) => ({ address, port: number, protocol, family }))),
    ...NODE_PORTS.map((number) => ({ address: 'node', port: number, protocol, family })),
  ]),
);

function answer(
  translations: ReturnType<typeof translateServices>['translations'],
  { address, port: number, protocol, family }: Asked,
): Reading {
  const unspecified = family === 'IPv4' ? '0.0.0.0' : '::';
  const wanted = address === 'node' ? unspecified : address;
  const found = translations.filter(({ frontends }) =>
    frontends.some((frontend) => frontend.address === wanted && frontend.port === number && frontend.protocol === protocol),
  );
  assert.ok(found.length <= 1, `${found.map(({ name }) => name)} all have ${wanted}`);
  const [translation] = found;
  if (!translation) return 'nothing';
  if (translation.untranslated !== undefined) return 'left';
  return {
    backends: translation.backends.map((backend) => `${backend.address} ${backend.port}`).sort(),
    keptSeconds: translation.affinitySeconds,
  };
}

test('translations say what a slow reading of the same objects says, in any order of them', () => {
  const counted = new Map<string, number>();
  const property = fc.property(worlds, ({ services, slices, node, shuffle }) => {
    const order = <T>(all: readonly T[]) =>
      all
        .map((one) => ({ one, at: shuffle.next().value }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
    const translate = () =>
      translateServices(
        order(services).map(({ metadata, spec, status }) => serviceObject(spec, metadata, status)),
        order(slices).map(({ metadata, ...content }) => endpointSliceObject(content, metadata)),
        node,
      );
    const { translations, diagnostics } = translate();
    assert.deepEqual(translate(), { translations, diagnostics });
    assert.equal(new Set(translations.map(({ name }) => name)).size, translations.length);
    for (const asked of QUESTIONS) {
      const expected = readSlowly(services, slices, node, asked);
      assert.deepEqual(answer(translations, asked), expected, JSON.stringify(asked));
      const kind = typeof expected === 'string' ? expected : `${Math.min(expected.backends.length, 2)} backends`;
      counted.set(kind, (counted.get(kind) ?? 0) + 1);
    }
  });
  fc.assert(property, { numRuns: 200 });
  // Every kind of answer was often right.
  for (const kind of ['nothing', 'left', '0 backends', '1 backends', '2 backends'])
    assert.ok((counted.get(kind) ?? 0) > 10, `${kind}: ${counted.get(kind)}`);
});

test('translations that are kept up to date are those that are made anew, whatever changed', () => {
  const history = fc.array(worlds, { minLength: 2, maxLength: 5 });
  const property = fc.property(history, (turns) => {
    const graph = new Graph();
    const inputs = {
      services: graph.input<Service>('services'),
      slices: graph.input<EndpointSlice>('slices'),
      node: graph.input<{ readonly name: string; readonly zone?: string }>('node'),
      clients: graph.input<readonly string[]>('clients'),
    };
    const { translations, diagnostics } = deriveTranslations(graph, inputs);
    for (const world of turns) {
      const services = world.services.map(({ metadata, spec, status }) => serviceObject(spec, metadata, status));
      const slices = world.slices.map(({ metadata, ...content }) => endpointSliceObject(content, metadata));
      replace(
        inputs.services,
        services.map((object) => [`default/${object.metadata.name}`, object]),
      );
      replace(
        inputs.slices,
        slices.map((object) => [`default/${object.metadata.name}`, object]),
      );
      replace(inputs.node, [[ONLY, world.node]]);
      graph.settle();
      const anew = translateServices(services, slices, world.node);
      assert.deepEqual(
        [...translations.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
        anew.translations,
      );
      assert.equal([...diagnostics.values()].flat().length, anew.diagnostics.length);
    }
  });
  fc.assert(property, { numRuns: 60 });
});

function replace<V>(input: Input<V>, entries: readonly (readonly [key: string, value: V])[]): void {
  const keys = new Set(entries.map(([key]) => key));
  for (const key of [...input.keys()]) if (!keys.has(key)) input.delete(key);
  for (const [key, value] of entries) input.set(key, value);
}
