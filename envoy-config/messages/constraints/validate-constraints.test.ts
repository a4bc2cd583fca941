import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { stepsOf } from '../path.ts';
import { readAny } from '../read-message.ts';
import { validateConstraints } from './validate-constraints.ts';

const registry = envoyRegistry();
const type = (name: string) => ({ '@type': `type.googleapis.com/${name}` });
const ROUTES = type('envoy.config.route.v3.RouteConfiguration');
const CLUSTER = type('envoy.config.cluster.v3.Cluster');
const LISTENER = type('envoy.config.listener.v3.Listener');
const HTTP = type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager');
const TYPED_STRUCT = type('xds.type.v3.TypedStruct');

/** What is wrong, each as `path: message`. */
function violationsOf(json: unknown): readonly string[] {
  const result = readAny(json, registry);
  assert(result.read, result.read ? '' : JSON.stringify(result.findings));
  const violations: string[] = [];
  validateConstraints(result.message, registry, (path, message) => violations.push(`${stepsOf(path).join('.')}: ${message}`));
  return violations;
}

const CASES: Readonly<Record<string, readonly [unknown, readonly string[]]>> = {
  'nothing wrong': [{ ...CLUSTER, name: 'a', type: 'EDS', lbPolicy: 'MAGLEV', connectTimeout: '1s' }, []],
  'a text without presence is checked where it is not set': [CLUSTER, ['name: must not be empty']],
  'a duration that is not set is right': [{ ...CLUSTER, name: 'a' }, []],
  'a duration that is set and zero is wrong': [
    { ...CLUSTER, name: 'a', connectTimeout: '0s' },
    ['connectTimeout: must be greater than 0s'],
  ],
  'a wrapper that is not set is right, one of zero is not': [
    { ...CLUSTER, name: 'a', http2ProtocolOptions: { initialStreamWindowSize: 0 } },
    ['http2ProtocolOptions.initialStreamWindowSize: must be at least 65535 and at most 2147483647'],
  ],
  'a required message': [
    { ...CLUSTER, name: 'a', healthChecks: [{ tcpHealthCheck: {} }] },
    [
      'healthChecks.0.timeout: is required',
      'healthChecks.0.interval: is required',
      'healthChecks.0.unhealthyThreshold: is required',
      'healthChecks.0.healthyThreshold: is required',
    ],
  ],
  'a oneof of which one is required': [
    { ...ROUTES, virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: {}, route: { cluster: 'c' } }] }] },
    ['virtualHosts.0.routes.0.match: must have one of prefix, path, safeRegex, connectMatcher, pathSeparatedPrefix, pathMatchPolicy'],
  ],
  'a field of a oneof that is not the one is not checked': [
    { ...ROUTES, virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { clusterHeader: 'x' } }] }] },
    [],
  ],
  'a field of a oneof that is set and empty': [
    { ...ROUTES, virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: '' } }] }] },
    ['virtualHosts.0.routes.0.route.cluster: must not be empty'],
  ],
  'items, and how many': [
    {
      ...ROUTES,
      virtualHosts: [
        { name: 'v', domains: [] },
        { name: 'w', domains: ['a\n'] },
      ],
    },
    ['virtualHosts.0.domains: must have at least 1 item', 'virtualHosts.1.domains.0: must have no line breaks and no NUL'],
  ],
  'items that are there twice': [
    {
      ...ROUTES,
      virtualHosts: [
        {
          name: 'v',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'c', internalRedirectPolicy: { responseHeadersToCopy: ['a', 'b', 'a'] } } }],
        },
      ],
    },
    ['virtualHosts.0.routes.0.route.internalRedirectPolicy.responseHeadersToCopy.2: must not be there twice'],
  ],
  'keys of maps': [
    { ...CLUSTER, name: 'a', metadata: { filterMetadata: { '': {} } } },
    ['metadata.filterMetadata.: has a key that must not be empty'],
  ],
  'values of maps': [
    { ...type('xds.data.orca.v3.OrcaLoadReport'), utilization: { a: 1, b: 2 } },
    ['utilization.b: must be at least 0 and at most 1'],
  ],
  'how many a map has': [
    {
      ...type('xds.type.matcher.v3.Matcher'),
      matcherTree: { input: { name: 'i', typedConfig: type('xds.type.matcher.v3.HttpAttributesCelMatchInput') }, exactMatchMap: {} },
    },
    ['matcherTree.exactMatchMap.map: must have at least 1 entry'],
  ],
  'numbers of enums that must not be': [
    { ...type('envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher'), matcher: { exact: 'a' } },
    ['sanType: must not be SAN_TYPE_UNSPECIFIED'],
  ],
  'what is in an Any, and in that again': [
    {
      ...LISTENER,
      filterChains: [{ filters: [{ name: 'h', typedConfig: { ...HTTP, routeConfig: { virtualHosts: [{ name: '', domains: ['*'] }] } } }] }],
    },
    [
      'filterChains.0.filters.0.typedConfig.statPrefix: must not be empty',
      'filterChains.0.filters.0.typedConfig.routeConfig.virtualHosts.0.name: must not be empty',
    ],
  ],
  'what a TypedStruct describes': [
    { ...LISTENER, filterChains: [{ filters: [{ name: 'h', typedConfig: { ...TYPED_STRUCT, typeUrl: HTTP['@type'], value: {} } }] }] },
    [
      'filterChains.0.filters.0.typedConfig.statPrefix: must not be empty',
      'filterChains.0.filters.0.typedConfig: must have one of rds, routeConfig, scopedRoutes',
    ],
  ],
  'a field that Envoy no longer takes': [
    {
      ...type('envoy.config.route.v3.RateLimit'),
      actions: [{ dynamicMetadata: { descriptorKey: 'a', metadataKey: { key: 'a', path: [{ key: 'b' }] } } }, { remoteAddress: {} }],
    },
    ['actions.0.dynamicMetadata: is no longer taken by Envoy'],
  ],
  'a value of an enum that Envoy no longer takes, which nobody wrote': [
    { ...type('envoy.config.core.v3.ConfigSource'), apiConfigSource: {} },
    ['apiConfigSource.apiType: must not be DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE, which Envoy no longer takes'],
  ],
  'another value of it': [{ ...type('envoy.config.core.v3.ConfigSource'), apiConfigSource: { apiType: 'GRPC' } }, []],
  'a message whose constraints are skipped': [{ ...type('envoy.config.core.v3.KeyValueAppend'), entry: { key: '' } }, []],
  'the same message elsewhere': [{ ...type('envoy.config.core.v3.KeyValue'), key: '' }, ['key: must not be empty']],
};

describe('constraints', () => {
  for (const [name, [json, expected]] of Object.entries(CASES)) {
    it(name, () => assert.deepEqual(violationsOf(json), expected));
  }

  it('never tell a value', () => {
    const secret = 'hunter2-never-shown\n';
    const json = { ...ROUTES, virtualHosts: [{ name: 'v', domains: [secret], requestHeadersToRemove: [secret] }] };
    const told = violationsOf(json);
    assert.equal(told.length, 2);
    assert.ok(!told.join().includes('hunter2'));
  });
});
