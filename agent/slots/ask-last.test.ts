import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { HttpProtocolOptions_HeadersWithUnderscoresAction } from '@sluice/envoy-protos/envoy/config/core/v3/protocol_pb.js';
import type { FilterChain } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { askLast } from './ask-last.ts';

type Manager = MessageInitShape<typeof HttpConnectionManagerSchema>;

function chain(...managers: readonly Manager[]) {
  const filters = managers.map((manager) => {
    const value = anyPack(HttpConnectionManagerSchema, create(HttpConnectionManagerSchema, manager));
    return { name: 'manager', configType: { case: 'typedConfig', value } } as const;
  });
  return { filters: [{ name: 'first' }, ...filters] };
}

function listener(...chains: ReturnType<typeof chain>[]): Uint8Array {
  return toBinary(ListenerSchema, create(ListenerSchema, { statPrefix: 'own', filterChains: chains }));
}

const ASKED = listener(
  chain({
    earlyHeaderMutationExtensions: [{ name: 'keep' }],
    httpFilters: [{ name: 'rules' }, { name: 'after' }],
    accessLog: [{ name: 'denials' }],
    localReplyConfig: { mappers: [{ statusCode: 403 }] },
  }),
);
const OWN: Manager = {
  statPrefix: 'web',
  earlyHeaderMutationExtensions: [{ name: 'early' }],
  httpFilters: [{ name: 'own' }, { name: 'router' }],
  accessLog: [{ name: 'log' }],
  localReplyConfig: { mappers: [{ statusCode: 500 }] },
};

function askedIn(body: Uint8Array | undefined): Listener {
  assert.ok(body);
  return fromBinary(ListenerSchema, body);
}

function managerOf(served: FilterChain | undefined) {
  const config = served?.filters.at(-1)?.configType;
  assert.ok(config?.case === 'typedConfig');
  const manager = anyUnpack(config.value, HttpConnectionManagerSchema);
  assert.ok(manager);
  return manager;
}

const namesOf = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name);

test('rules are asked behind all filters but the one that routes, and all else stays', () => {
  const asked = askedIn(askLast(listener(chain(OWN)), ASKED));
  assert.equal(asked.statPrefix, 'own');
  assert.deepEqual(namesOf(asked.filterChains[0]?.filters ?? []), ['first', 'manager']);
  const manager = managerOf(asked.filterChains[0]);
  assert.equal(manager.statPrefix, 'web');
  assert.deepEqual(namesOf(manager.httpFilters), ['own', 'rules', 'after', 'router']);
  assert.deepEqual(namesOf(manager.earlyHeaderMutationExtensions), ['keep', 'early']);
  assert.deepEqual(namesOf(manager.accessLog), ['log', 'denials']);
  assert.deepEqual(
    manager.localReplyConfig?.mappers.map(({ statusCode }) => statusCode),
    [403, 500],
  );
});

test('requests that have filters of their own are asked, too', () => {
  const upgradeConfigs = [{ upgradeType: 'websocket', filters: [{ name: 'only' }, { name: 'router' }] }, { upgradeType: 'other' }];
  const manager = managerOf(askedIn(askLast(listener(chain({ ...OWN, upgradeConfigs })), ASKED)).filterChains[0]);
  assert.deepEqual(
    manager.upgradeConfigs.map(({ filters }) => namesOf(filters)),
    [['only', 'rules', 'after', 'router'], []],
  );
});

test('every chain that serves HTTP asks, also the one for what fits no other', () => {
  const message = create(ListenerSchema, { filterChains: [chain(OWN), chain(), chain(OWN)], defaultFilterChain: chain(OWN) });
  const asked = askedIn(askLast(toBinary(ListenerSchema, message), ASKED));
  for (const served of [asked.filterChains[0], asked.filterChains[2], asked.defaultFilterChain])
    assert.ok(namesOf(managerOf(served).httpFilters).includes('rules'));
  assert.deepEqual(namesOf(asked.filterChains[1]?.filters ?? []), ['first']);
});

test('requests mean to the listener what they mean to rules', () => {
  const { DROP_HEADER, REJECT_REQUEST } = HttpProtocolOptions_HeadersWithUnderscoresAction;
  const { UNESCAPE_AND_REDIRECT } = HttpConnectionManager_PathWithEscapedSlashesAction;
  const asked = (headersWithUnderscoresAction: HttpProtocolOptions_HeadersWithUnderscoresAction): Manager => ({
    normalizePath: true,
    mergeSlashes: true,
    pathWithEscapedSlashesAction: UNESCAPE_AND_REDIRECT,
    stripTrailingHostDot: true,
    commonHttpProtocolOptions: { headersWithUnderscoresAction },
    httpFilters: [{ name: 'rules' }],
  });
  for (const [own, wanted] of [
    [{}, DROP_HEADER],
    [{ normalizePath: false, commonHttpProtocolOptions: { maxRequestsPerConnection: 7 } }, REJECT_REQUEST],
  ] as const) {
    const manager = managerOf(askedIn(askLast(listener(chain({ ...OWN, ...own })), listener(chain(asked(wanted))))).filterChains[0]);
    assert.deepEqual([manager.normalizePath, manager.mergeSlashes], [true, true]);
    assert.deepEqual([manager.pathWithEscapedSlashesAction, manager.stripTrailingHostDot], [UNESCAPE_AND_REDIRECT, true]);
    assert.equal(manager.commonHttpProtocolOptions?.headersWithUnderscoresAction, wanted);
    assert.equal(manager.commonHttpProtocolOptions?.maxRequestsPerConnection, 'commonHttpProtocolOptions' in own ? 7 : undefined);
  }
});

test('where no HTTP is served nobody is asked', () => {
  assert.equal(askLast(listener(chain()), ASKED), undefined);
  assert.equal(askLast(listener(chain(OWN)), listener(chain())), undefined);
});
