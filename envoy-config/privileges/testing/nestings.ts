import type { JsonObject } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { any, HCM, type Kind, named, withHttp, withRoute } from './resources.ts';

/** How the config of an HTTP filter is hidden in that of another. */
const WRAPS: readonly ((inner: JsonObject) => JsonObject)[] = [
  (inner) => any('google.protobuf.Any', { value: inner }),
  (inner) => any('envoy.config.route.v3.FilterConfig', { isOptional: true, config: inner }),
  (inner) => any('e.common.matching.v3.ExtensionWithMatcher', { extensionConfig: extension(inner) }),
  (inner) => any('e.common.matching.v3.ExtensionWithMatcher', { xdsMatcher: inTree(inner), extensionConfig: extension(ROUTER) }),
  (inner) => any('e.common.matching.v3.ExtensionWithMatcherPerRoute', { xdsMatcher: inList(inner) }),
  (inner) =>
    any('e.filters.http.composite.v3.Composite', { namedFilterChains: { a: { typedConfig: [extension(ROUTER), extension(inner)] } } }),
  (inner) => any('e.filters.http.composite.v3.CompositePerRoute', { matcher: unmatched(inner) }),
  (inner) => any('e.filters.http.composite.v3.ExecuteFilterAction', { typedConfig: extension(inner) }),
  (inner) => any('e.filters.http.composite.v3.ExecuteFilterAction', { filterChain: { typedConfig: [extension(inner)] } }),
  (inner) => any('e.filters.http.filter_chain.v3.FilterChainConfig', { defaultFilterChain: { filters: [extension(inner)] } }),
  (inner) => any('e.filters.http.router.v3.Router', { upstreamHttpFilters: [extension(inner)] }),
  (inner) => any('envoy.config.route.v3.Route', { match: { prefix: '/' }, typedPerFilterConfig: { a: inner } }),
  (inner) => any('e.upstreams.http.v3.HttpProtocolOptions', { httpFilters: [extension(inner)] }),
];

/** Where in a resource the outermost one stands. */
const PLACES: readonly (readonly [Kind, (inner: JsonObject) => JsonObject])[] = [
  ['listener', (inner) => withHttp({}, extension(inner))],
  ['listener', (inner) => ({ defaultFilterChain: { filters: [named(HCM, { httpFilters: [extension(inner)] })] } })],
  ['listener', (inner) => withHttp({ upgradeConfigs: [{ upgradeType: 'websocket', filters: [extension(inner)] }] })],
  ['listener', (inner) => withRoute({ typedPerFilterConfig: { a: inner } })],
  [
    'listener',
    (inner) => withRoute({ route: { weightedClusters: { clusters: [{ name: 'c', typedPerFilterConfig: { 'a/b': inner } }] } } }),
  ],
  ['listener', (inner) => ({ filterChainMatcher: inTree(inner) })],
  ['routes', (inner) => ({ typedPerFilterConfig: { a: inner } })],
  ['routes', (inner) => ({ virtualHosts: [{ typedPerFilterConfig: { '0': inner } }] })],
  ['routes', (inner) => ({ virtualHosts: [{ matcher: inList(inner) }] })],
  ['cluster', (inner) => ({ typedExtensionProtocolOptions: { a: inner } })],
  ['cluster', (inner) => ({ filters: [extension(inner)] })],
];

const ROUTER = any('e.filters.http.router.v3.Router');

export interface Nesting {
  readonly kind: Kind;
  /** @param inner the config of an HTTP filter, with its `@type` */
  readonly wrap: (inner: JsonObject) => JsonObject;
}

export const nestings: fc.Arbitrary<Nesting> = fc
  .record({ place: fc.constantFrom(...PLACES), wraps: fc.array(fc.constantFrom(...WRAPS), { maxLength: 6 }) })
  .map(({ place: [kind, put], wraps }) => ({ kind, wrap: (inner) => put(wraps.reduce((wrapped, wrap) => wrap(wrapped), inner)) }));

function extension(typedConfig: JsonObject): JsonObject {
  return { name: 'x', typedConfig };
}

function unmatched(inner: JsonObject): JsonObject {
  return { onNoMatch: { action: extension(inner) } };
}

function inTree(inner: JsonObject): JsonObject {
  const input = extension(any('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { headerName: 'x' }));
  return { matcherTree: { input, exactMatchMap: { map: { a: { action: extension(inner) } } } } };
}

function inList(inner: JsonObject): JsonObject {
  return { matcherList: { matchers: [{ onMatch: { matcher: unmatched(inner) } }] } };
}
