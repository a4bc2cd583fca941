import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { dump, load } from 'js-yaml';
import { z } from 'zod';
import { ingressListener } from '../../agent/slots/ingress-listener.ts';
import { readGolden, readUpdate, writeGolden } from '../../controller/golden/golden-files.ts';
import { renderResource } from '../../controller/render.ts';
import type { Slot } from '../../model/index.ts';
import { REQUEST_LOG, type Resource } from '../../xds-server/serve/index.ts';
import { encodeResource } from '../../xds-server/translate/encode.ts';
import { translateSlot, translateSteeringClusters } from './index.ts';
import { INGRESS_LISTENERS } from './testing/ingress-listeners.ts';
import { SLOT_OPTIONS } from './testing/slot-scene.ts';
import { httpRule, SOURCE } from './testing/slots.ts';

const ROOT = fileURLToPath(new URL('testdata', import.meta.url));
const INPUTS: ReadonlySet<string> = new Set(['slot.yaml']);
const CLUSTERS = 'clusters';
const UPDATE = readUpdate(process.env);
const OPTIONS = {
  ...SLOT_OPTIONS,
  logsRequests: true,
  secretValue: ({ name }: { readonly name: string }) => (name === 'token' ? Buffer.from('hidden') : undefined),
};

const headerSchema = z.strictObject({
  name: z.string(),
  value: z.string().optional(),
  secret: z.string().optional(),
  mismatch: z.enum(['deny', 'log', 'add', 'delete', 'replace']).default('deny'),
});
const httpRuleSchema = z.strictObject({
  method: z.string().optional(),
  path: z.string().optional(),
  host: z.string().optional(),
  headers: z.array(headerSchema).default([]),
});
const common = {
  direction: z.enum(['ingress', 'egress']),
  isOpen: z.boolean().default(false),
  audits: z.literal(true).optional(),
  ofIngresses: z.literal(true).optional(),
};
const slotSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('http'), ...common, rules: z.array(httpRuleSchema) }),
  z.strictObject({ kind: z.literal('tls'), ...common, rules: z.array(z.string()) }),
]);

/** All cases by name, but for that of the clusters. */
function readSlots(): readonly Slot[] {
  const names = readdirSync(ROOT).filter((name) => name !== CLUSTERS);
  return names.sort().map((name) => readSlot(name, slotSchema.parse(load(readFileSync(join(ROOT, name, 'slot.yaml'), 'utf8')))));
}

function readSlot(name: string, read: z.output<typeof slotSchema>): Slot {
  const { kind, direction, isOpen, audits, ofIngresses } = read;
  const rules =
    read.kind === 'http'
      ? { kind: read.kind, rules: read.rules.map(readHttpRule) }
      : { kind: read.kind, rules: read.rules.map((pattern) => ({ pattern, source: SOURCE })) };
  const flags = { ...(audits && { audits }), ...(ofIngresses && { ofIngresses }) };
  return { name: `${kind}/${direction}/${name}`, direction, rules, allowsAll: isOpen ? [SOURCE] : [], ...flags };
}

function readHttpRule({ method, path, host, headers }: z.output<typeof httpRuleSchema>) {
  return httpRule({
    ...(method !== undefined && { method }),
    ...(path !== undefined && { path }),
    ...(host !== undefined && { host }),
    headers: headers.map(({ name, value, secret, mismatch }) => ({
      name,
      mismatch,
      ...(value !== undefined && { value: { kind: 'literal', text: value } as const }),
      ...(secret !== undefined && { value: { kind: 'secret', namespace: 'default', name: secret, key: '' } as const }),
    })),
  });
}

/** The rules of a slot, and the listener beside one of each kind: it does not depend on them, but on whether they are only audited. */
function outputsOf(slot: Slot): ReadonlyMap<string, string> {
  const { listener, filters, asked } = translateSlot(slot, OPTIONS);
  const encoded = (bytes: Uint8Array) => encodeResource(ListenerSchema, slot.name, fromBinary(ListenerSchema, bytes));
  // What controllers tell, and what a node makes of it.
  if (slot.ofIngresses) return rendered([...filters, encoded(listener), encoded(ingressListener(listener, INGRESS_LISTENERS))]);
  const isShown = slot.audits || slot.name.includes('closed') || slot.name.includes('server-names-open');
  const outputs = rendered(isShown ? [...filters, encoded(listener)] : filters);
  if (!isShown || !asked) return outputs;
  const [[, inConfigs = ''] = []] = rendered([encoded(asked)]);
  return new Map([...outputs, ['in-configs.yaml', inConfigs]]);
}

function rendered(resources: readonly Resource[]): ReadonlyMap<string, string> {
  const byType = Map.groupBy(
    resources.map((resource) => renderResource(resource)),
    ({ type }) => type,
  );
  return new Map(
    [...byType].map(([type, all]) => [`${type}.yaml`, all.map(({ body }) => dump(body, { lineWidth: -1, noRefs: true })).join('---\n')]),
  );
}

function assertGolden(name: string, outputs: ReadonlyMap<string, string>): void {
  const folder = join(ROOT, name);
  if (UPDATE) writeGolden(folder, INPUTS, outputs);
  const expected = readGolden(folder, INPUTS);
  assert.deepEqual([...outputs.keys()].sort(), [...expected.keys()], 'missing or orphaned files; UPDATE_GOLDEN=1 rewrites them');
  for (const [file, text] of outputs) assert.equal(text, expected.get(file), `${name}/${file}; UPDATE_GOLDEN=1 rewrites it`);
}

describe('golden slots', () => {
  const slots = readSlots();
  for (const slot of slots) {
    const name = slot.name.split('/').at(-1) ?? '';
    test(name, () => assertGolden(name, outputsOf(slot)));
  }

  // What rules do to headers they do one after another.
  const orderless = slots.filter(
    ({ rules }) => rules.kind === 'tls' || !rules.rules.some(({ headers }) => headers.some(({ mismatch }) => mismatch !== 'deny')),
  );
  for (const slot of orderless) {
    test(`${slot.name}: the same comes of rules in another order`, () => {
      const { kind, rules } = slot.rules;
      const reversed = kind === 'http' ? { kind, rules: rules.toReversed() } : { kind, rules: rules.toReversed() };
      assert.deepEqual(translateSlot({ ...slot, rules: reversed }, OPTIONS), translateSlot(slot, OPTIONS));
    });
  }

  test('clusters', () => assertGolden(CLUSTERS, rendered(translateSteeringClusters({ connectTimeoutMs: 5_000, idleTimeoutMs: 0 }))));

  test('a listener does not depend on the rules', () => {
    const [http, ...others] = slots.filter(({ rules }) => rules.kind === 'http');
    assert.ok(http);
    for (const { rules, allowsAll } of others) {
      assert.deepEqual(translateSlot({ ...http, rules, allowsAll }, OPTIONS).listener, translateSlot(http, OPTIONS).listener);
    }
  });
});

test('what passes is told of only where that is asked for', () => {
  for (const slot of readSlots()) {
    const [asked, unasked] = [OPTIONS, SLOT_OPTIONS].map((options) => Buffer.from(translateSlot(slot, options).listener));
    const isInPassing = slot.ofIngresses && slot.rules.kind === 'tls';
    assert.deepEqual([asked?.includes(REQUEST_LOG), unasked?.includes(REQUEST_LOG)], [!isInPassing, false], slot.name);
  }
});
