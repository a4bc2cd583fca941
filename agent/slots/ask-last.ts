import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Filter, type FilterChain, FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
  type HttpFilter,
  type LocalReplyConfig,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { bothLogs } from './both-logs.ts';

const { KEEP_UNCHANGED } = HttpConnectionManager_PathWithEscapedSlashesAction;

/**
 * A listener of a config that asks requests rules before it routes them: behind all filters of its own but the last, which is the one that routes.
 * @param listener a part of an encoded one
 * @param asked what is asked, as controllers tell it (`Slot.asked` in `sluice.node.v1`)
 * @returns undefined where it serves no HTTP, so that there is nobody to ask
 */
export function askLast(listener: Uint8Array, asked: Uint8Array): Uint8Array | undefined {
  const rules = managerOf(fromBinary(ListenerSchema, asked).filterChains[0]);
  if (!rules) return undefined;
  const own = fromBinary(ListenerSchema, listener);
  const { filterChains, defaultFilterChain } = own;
  if (![...filterChains, ...(defaultFilterChain ? [defaultFilterChain] : [])].some(managerOf)) return undefined;
  return toBinary(ListenerSchema, {
    ...own,
    filterChains: filterChains.map((chain) => ruledChain(rules, chain)),
    ...(defaultFilterChain && { defaultFilterChain: ruledChain(rules, defaultFilterChain) }),
  });
}

function ruledChain(rules: HttpConnectionManager, chain: FilterChain): FilterChain {
  const manager = managerOf(chain);
  if (!manager) return chain;
  const value = anyPack(HttpConnectionManagerSchema, ruledManager(rules, manager));
  const last: Filter = { ...(chain.filters.at(-1) ?? create(FilterSchema)), configType: { case: 'typedConfig', value } };
  return { ...chain, filters: chain.filters.with(-1, last) };
}

/** It comes last where there is one. */
function managerOf(chain: FilterChain | undefined): HttpConnectionManager | undefined {
  const config = chain?.filters.at(-1)?.configType;
  return config?.case === 'typedConfig' ? anyUnpack(config.value, HttpConnectionManagerSchema) : undefined;
}

function ruledManager(rules: HttpConnectionManager, manager: HttpConnectionManager): HttpConnectionManager {
  const ask = (filters: readonly HttpFilter[]) => [...filters.slice(0, -1), ...rules.httpFilters, ...filters.slice(-1)];
  return {
    ...manager,
    ...normalized(rules, manager),
    earlyHeaderMutationExtensions: [...rules.earlyHeaderMutationExtensions, ...manager.earlyHeaderMutationExtensions],
    httpFilters: ask(manager.httpFilters),
    // Such a request goes through these alone.
    upgradeConfigs: manager.upgradeConfigs.map((upgrade) =>
      upgrade.filters.length === 0 ? upgrade : { ...upgrade, filters: ask(upgrade.filters) },
    ),
    accessLog: bothLogs(manager.accessLog, rules.accessLog),
    ...withDenials(rules.localReplyConfig, manager.localReplyConfig),
  };
}

/** What a request is made to before anybody looks at it: rules and the listener look at the same. */
function normalized(rules: HttpConnectionManager, manager: HttpConnectionManager): Partial<HttpConnectionManager> {
  const { normalizePath, mergeSlashes, pathWithEscapedSlashesAction, stripTrailingHostDot, commonHttpProtocolOptions } = rules;
  const headersWithUnderscoresAction = commonHttpProtocolOptions?.headersWithUnderscoresAction;
  const common = manager.commonHttpProtocolOptions ?? commonHttpProtocolOptions;
  return {
    stripTrailingHostDot: stripTrailingHostDot || manager.stripTrailingHostDot,
    ...(normalizePath !== undefined && { normalizePath }),
    ...(mergeSlashes && { mergeSlashes }),
    ...(pathWithEscapedSlashesAction !== KEEP_UNCHANGED && { pathWithEscapedSlashesAction }),
    ...(common && headersWithUnderscoresAction && { commonHttpProtocolOptions: { ...common, headersWithUnderscoresAction } }),
  };
}

/** The first that fits is the answer. */
function withDenials(rules: LocalReplyConfig | undefined, own: LocalReplyConfig | undefined) {
  if (!rules || !own) return { ...(rules && { localReplyConfig: rules }) };
  return { localReplyConfig: { ...own, mappers: [...rules.mappers, ...own.mappers] } };
}
