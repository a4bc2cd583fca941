import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { loadAll } from 'js-yaml';
import { mutateJson } from '../../envoy-config/messages/testing/mutate-json.ts';
import { Random } from '../../kube/fuzz/random.ts';
import { type KubeObject, validateObject } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { ingressManifest, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { Pipeline } from './pipeline.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 5_000);
const SEED = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
const CONFIGS = /^Cilium(?:Clusterwide)?EnvoyConfig$/;
const GOLDEN = new URL('../golden/testdata/', import.meta.url);
const SETTINGS = {
  ...DEFAULT_SETTINGS,
  envoyConfig: { ...DEFAULT_SETTINGS.envoyConfig, allow: ['envoy.config.listener.v3.Listener.address'] },
};
const PORTS = { address: '127.0.0.1', http: 80, https: 443, reserved: [] };

const NEIGHBOURS = [
  serviceManifest('web'),
  sliceManifest('web', 8080),
  ingressManifest('neighbour', { rules: { 'neighbour.test': 'web' } }),
].map(objectOf);

test(`${RUNS} configs that were changed at random crash nothing, touch nobody else, and are served or told why not`, (t) => {
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const random = new Random(SEED);
  const configs = readConfigs();
  assert.ok(configs.length >= 40, `only ${configs.length} configs to begin with`);
  const pipeline = new Pipeline({ settings: SETTINGS, ports: PORTS, asOf: new Date('2026-01-01') });
  pipeline.apply({ upserts: NEIGHBOURS, removals: [] });
  const before = pipeline.resources();
  let served = 0;
  for (let run = 0; run < RUNS; run++) {
    const original = configs[random.below(configs.length)];
    assert.ok(original);
    const mutated = { ...original, spec: asJson(mutateJson(original.spec, random)) };
    const judged = validateObject(mutated);
    // Names stay as they are, and that is all that is read at first.
    assert.ok(judged.result === 'valid');
    pipeline.apply({ upserts: [judged.object], removals: [] });
    const told = pipeline.diagnostics().filter(({ object, severity }) => severity === 'error' && object?.name === judged.ref.name);
    const after = pipeline.resources();
    const isServed = after.some((resource) => !before.includes(resource));
    const isAlone = before.every((resource) => after.includes(resource));
    if (!isAlone || (isServed && told.length > 0)) assert.fail(`run ${run}: ${inspect({ mutated, told }, { depth: null })}`);
    if (told.length === 0) served += 1;
    pipeline.apply({ upserts: [], removals: [judged.ref] });
    assert.deepEqual(pipeline.resources(), before);
  }
  t.diagnostic(`${served} are served`);
  assert.ok(served > RUNS / 50 && served < RUNS, `${served} are served`);
});

/** As it comes from an API server or a file: mutations make more than these can say. */
function asJson(value: unknown): unknown {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part));
  return text === undefined ? undefined : JSON.parse(text);
}

interface ConfigManifest {
  readonly kind: string;
  readonly spec?: unknown;
}

/** All configs of the golden cases. */
function readConfigs(): readonly ConfigManifest[] {
  return globSync('cec-*/input.yaml', { cwd: GOLDEN }).flatMap((file) =>
    loadAll(readFileSync(new URL(file, GOLDEN), 'utf8')).filter(isConfig),
  );
}

function isConfig(document: unknown): document is ConfigManifest {
  const kind: unknown = typeof document === 'object' && document !== null ? Reflect.get(document, 'kind') : undefined;
  return typeof kind === 'string' && CONFIGS.test(kind);
}

function objectOf(manifest: unknown): KubeObject {
  const judged = validateObject(manifest);
  if (judged.result !== 'valid') throw new Error(JSON.stringify(judged));
  return judged.object;
}
