import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KubeObject, readManifests } from '../kube/index.ts';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import { envoyConfigObject, serviceObject } from '../testkit/kube-objects.ts';
import { LISTENER, ROUTES } from '../xds-server/translate/types.ts';
import { asEnvoyConfigs } from './as-envoy-config.ts';
import { type GoldenCase, readCases } from './golden/case.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import { renderResource } from './render.ts';

const PORTS = { address: '0.0.0.0', http: 80, https: 443, reserved: [] };
const AS_OF = new Date('2026-01-01T00:00:00Z');

function pipelineOf({ settings }: GoldenCase, ...objects: readonly KubeObject[]): Pipeline {
  const pipeline = new Pipeline({ settings, ports: PORTS, asOf: AS_OF });
  pipeline.apply({ upserts: objects, removals: [] });
  return pipeline;
}

/** Virtual hosts by the name of their route configuration, without what a config puts before its own names. */
function routesOf(pipeline: Pipeline, prefix = ''): unknown {
  const rendered = pipeline.resources().flatMap((resource) => {
    if (resource.typeUrl !== ROUTES || !resource.name.startsWith(prefix)) return [];
    return [JSON.stringify(renderResource(resource).body).replaceAll(`"${prefix}`, '"')];
  });
  return rendered.sort().map((json): unknown => JSON.parse(json));
}

interface Rendered {
  /** As it is read back. */
  readonly asConfig: Pipeline;
  /** The Ingress by itself. */
  readonly asIngress: Pipeline;
  readonly prefix: string;
  /** What is wrong with it, but for what lies in where it is read. */
  readonly wrong: readonly string[];
}

const EXPECTED: ReadonlySet<string> = new Set(['ListenerWithoutAddress', 'BackendServiceNotFound']);

async function renderAll(golden: GoldenCase): Promise<readonly Rendered[]> {
  const { objects } = await readManifests([`${golden.folder}/input.yaml`]);
  const others = objects.filter(({ kind }) => kind !== 'Ingress' && !kind.endsWith('EnvoyConfig'));
  const ofIngresses = [...asEnvoyConfigs(pipelineOf(golden), objects, golden.settings.envoyConfig)].filter(({ metadata }) =>
    metadata.name.startsWith('cilium-ingress-'),
  );
  return ofIngresses.map(({ metadata, spec }) => {
    const { name = '', namespace = '' } = metadata;
    const asConfig = pipelineOf(golden, ...others, envoyConfigObject(spec, { name, namespace }));
    const found = asConfig.diagnostics().filter(({ object }) => object?.kind === 'CiliumEnvoyConfig');
    const wrong = found.flatMap(({ code }) => (EXPECTED.has(code) ? [] : [code]));
    const ofIngress = ({ kind, metadata: own }: KubeObject) =>
      kind === 'Ingress' && `${own.namespace} cilium-ingress-${own.namespace}-${own.name}` === `${namespace} ${name}`;
    return { asConfig, asIngress: pipelineOf(golden, ...others, ...objects.filter(ofIngress)), prefix: `${namespace}/${name}/`, wrong };
  });
}

/** Settings may have what no config may say without leave. */
const NEED_LEAVE: Readonly<Record<string, readonly string[]>> = {
  'settings-http': ['NotPermitted', 'NotPermitted'],
  'settings-upstream': ['NotPermitted'],
  'tls-default-secret': ['NotOfNamespace'],
};
const CASES = readCases().filter(({ placement }) => placement.kind === 'standalone');

describe('what an Ingress amounts to as a CiliumEnvoyConfig', () => {
  for (const golden of CASES.filter(({ name }) => !(name in NEED_LEAVE))) {
    test(`is right, and has its routes: ${golden.name}`, async () => {
      for (const { asConfig, asIngress, prefix, wrong } of await renderAll(golden)) {
        assert.deepEqual(wrong, []);
        assert.deepEqual(routesOf(asConfig, prefix), routesOf(asIngress));
      }
    });
  }

  for (const golden of CASES.filter(({ name }) => name in NEED_LEAVE)) {
    test(`needs leave for what the settings add: ${golden.name}`, async () => {
      const all = await renderAll(golden);
      assert.deepEqual(
        all.flatMap(({ wrong }) => wrong),
        NEED_LEAVE[golden.name],
      );
    });
  }

  test('is one config for each Ingress', async () => {
    const counts = await Promise.all(CASES.map(async (golden) => (await renderAll(golden)).length));
    assert.ok(counts.filter((count) => count > 0).length > 60);
  });

  test('of a Service whose requests are balanced is what it comes to', () => {
    const service = serviceObject(
      {
        clusterIPs: ['10.96.0.1'],
        ports: [
          { name: 'any', port: 80 },
          { name: 'grpc', port: 90, appProtocol: 'grpc' },
        ],
      },
      { annotations: { 'service.cilium.io/lb-l7': 'enabled', 'service.cilium.io/lb-l7-algorithm': 'random' } },
    );
    const plain = serviceObject(service.spec);
    const [config, ...more] = asEnvoyConfigs(new Pipeline(ENFORCED), [service], DEFAULT_SETTINGS.envoyConfig);
    assert.ok(config && more.length === 0);
    assert.deepEqual([...asEnvoyConfigs(new Pipeline(ENFORCED), [plain], DEFAULT_SETTINGS.envoyConfig)], []);
    const { metadata, spec } = config;
    const { name, namespace = '' } = metadata;
    assert.deepEqual([name, namespace], ['cilium-envoy-lb-web', 'default']);
    const [asConfig, asService] = [listenersOf(plain, envoyConfigObject(spec, { name, namespace })), listenersOf(service)];
    assert.equal(asService.length, 2);
    assert.deepEqual(
      asConfig.map((text) => text.replaceAll('default/cilium-envoy-lb-web/', 'default/lb-l7:web/')),
      asService,
    );
  });
});

const ENFORCED = {
  settings: DEFAULT_SETTINGS,
  ports: PORTS,
  ingressMarks: { client: 0xd00, server: 0xe00 },
  clientMark: 0xd02,
  asOf: AS_OF,
};

function listenersOf(...objects: readonly KubeObject[]): readonly string[] {
  const pipeline = new Pipeline(ENFORCED);
  pipeline.apply({ upserts: objects, removals: [] });
  assert.deepEqual(pipeline.diagnostics(), []);
  const led = pipeline
    .takeListeners()
    .listeners.map(({ listener: { name, body, requires } }) => ({ typeUrl: LISTENER, version: '', name, body, requires }));
  return led.map((resource) => JSON.stringify([resource.name, renderResource(resource).body])).sort();
}
