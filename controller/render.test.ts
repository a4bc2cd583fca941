import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { DownstreamTlsContextSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import type { Resource } from '../xds-server/serve/resource.ts';
import { anyOf } from '../xds-server/translate/encode.ts';
import { translateTracing } from '../xds-server/translate/tracing.ts';
import { renderResources, resourceTypeOf } from './render.ts';

const KEY = 'KEYMATERIAL';
const inline = (text: string) => ({ specifier: { case: 'inlineString' as const, value: text } });
const certificate = { certificateChain: inline('CHAIN'), privateKey: inline(KEY), password: inline(KEY) };

function resource<S extends DescMessage>(schema: S, name: string, init: MessageInitShape<S>): Resource {
  const body = toBinary(schema, create(schema, init));
  return { typeUrl: `type.googleapis.com/${schema.typeName}`, name, version: 'v', body, requires: [] };
}

test('a secret keeps its chain and loses its key', () => {
  const secret = resource(SecretSchema, 's', { name: 's', type: { case: 'tlsCertificate', value: certificate } });
  assert.deepEqual(renderResources([secret]), [
    {
      type: 'secret',
      name: 's',
      version: 'v',
      body: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name: 's',
        tlsCertificate: {
          certificateChain: { inlineString: 'CHAIN' },
          privateKey: { inlineString: '[redacted]' },
          password: { inlineString: '[redacted]' },
        },
      },
    },
  ]);
});

const tls = anyPack(
  DownstreamTlsContextSchema,
  create(DownstreamTlsContextSchema, { commonTlsContext: { tlsCertificates: [certificate] } }),
);
const bytes = { specifier: { case: 'inlineBytes' as const, value: Buffer.from(KEY) } };
const HIDING_PLACES: readonly (readonly [where: string, resource: Resource])[] = [
  [
    'inside of an Any',
    resource(ListenerSchema, 'l', {
      filterChains: [{ transportSocket: { name: 'tls', configType: { case: 'typedConfig', value: tls } } }],
    }),
  ],
  ['in a list, as bytes', resource(SecretSchema, 's', { type: { case: 'sessionTicketKeys', value: { keys: [bytes, bytes] } } })],
  ['in a map', resource(SecretSchema, 's', { type: { case: 'genericSecret', value: { secrets: { one: inline(KEY), two: bytes } } } })],
  [
    'in the configuration of a key provider, whatever it is',
    resource(SecretSchema, 's', {
      type: {
        case: 'tlsCertificate',
        value: {
          privateKeyProvider: {
            providerName: 'p',
            configType: { case: 'typedConfig', value: anyPack(ClusterSchema, create(ClusterSchema, { name: KEY })) },
          },
        },
      },
    }),
  ],
];
for (const protocol of ['grpc', 'http'] as const) {
  test(`finds what a collector knows an Envoy by, told by ${protocol}`, () => {
    const { tracing } = DEFAULT_SETTINGS;
    const collector = { ...tracing.collector, protocol, headers: { 'x-token': KEY } };
    const { provider } = translateTracing({ ...tracing, collector });
    const value = anyOf(HttpConnectionManagerSchema, { tracing: { ...(provider && { provider }) } });
    const filters = [{ name: 'http', configType: { case: 'typedConfig' as const, value } }];
    const text = JSON.stringify(renderResources([resource(ListenerSchema, 'l', { filterChains: [{ filters }] })]));
    assert.doesNotMatch(text, new RegExp(KEY));
    assert.match(text, /\{"key":"x-token","value":"\[redacted\]"\}/);
  });
}

for (const [where, hidden] of HIDING_PLACES) {
  test(`finds what is sensitive ${where}`, () => {
    const text = JSON.stringify(renderResources([hidden]));
    assert.doesNotMatch(text, new RegExp(`${KEY}|${Buffer.from(KEY).toString('base64')}`));
    assert.match(text, new RegExp(`\\[redacted\\]|${Buffer.from('[redacted]').toString('base64')}`));
  });
}

test('every message that says its type says it first', () => {
  const [listener] = renderResources(HIDING_PLACES.slice(0, 1).map(([, resource]) => resource));
  assert.match(JSON.stringify(listener?.body), /^\{"@type":"[^"]+Listener",.*"typedConfig":\{"@type":"[^"]+DownstreamTlsContext"/);
});

test('rendering is sorted by type and name, whatever the order that resources come in', () => {
  const cluster = (name: string) => resource(ClusterSchema, name, { name });
  const resources = [cluster('b'), resource(ListenerSchema, 'z', { name: 'z' }), cluster('a')];
  const names = renderResources(resources).map(({ type, name }) => `${type} ${name}`);
  assert.deepEqual(names, ['listener z', 'cluster a', 'cluster b']);
  assert.equal(JSON.stringify(renderResources(resources)), JSON.stringify(renderResources(resources.toReversed())));
});

test('a type without a short name is known by its last word, one unknown to this Envoy is a bug', () => {
  assert.equal(resourceTypeOf('type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig'), 'TypedExtensionConfig');
  const unknown: Resource = { typeUrl: 'type.googleapis.com/no.such.Type', name: 'x', version: '', body: new Uint8Array(), requires: [] };
  assert.throws(() => renderResources([unknown]), /no\.such\.Type is not a type of this Envoy/);
});
