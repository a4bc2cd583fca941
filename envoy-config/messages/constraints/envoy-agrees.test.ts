import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { needs } from '../../../testkit/capabilities.ts';
import { envoyBinary } from '../../../testkit/envoy-binary.ts';
import { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import { readMessage } from '../read-message.ts';
import { validateConstraints } from './validate-constraints.ts';

type Json = Readonly<Record<string, unknown>>;

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

function cluster(fields: Json): Json {
  return { static_resources: { clusters: [{ name: 'c', ...fields }] } };
}

function healthCheck(fields: Json): Json {
  const check = { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} };
  return cluster({ health_checks: [{ ...check, ...fields }] });
}

function listener(fields: Json): Json {
  const address = { socket_address: { address: '127.0.0.1', port_value: 10_000 } };
  return { static_resources: { listeners: [{ name: 'l', address, ...fields }], clusters: [{ name: 'c' }] } };
}

function http(fields: Json): Json {
  const router = { name: 'router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } };
  const manager = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'x',
    route_config: { virtual_hosts: [] },
    http_filters: [router],
    ...fields,
  };
  return listener({ filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }] });
}

function host(fields: Json): Json {
  return http({ route_config: { virtual_hosts: [{ name: 'v', domains: ['*'], ...fields }] } });
}

function route(fields: Json): Json {
  return host({ routes: [{ match: { prefix: '/' }, direct_response: { status: 200 }, ...fields }] });
}

function httpFilter(type: string, fields: Json): Json {
  const filter = { name: 'f', typed_config: { '@type': `${EXTENSIONS}.filters.http.${type}`, ...fields } };
  const router = { name: 'router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } };
  return http({ http_filters: [filter, router] });
}

function accessLog(filter: Json): Json {
  return http({ access_log: [{ name: 'a', filter, typed_config: { '@type': `${EXTENSIONS}.access_loggers.stream.v3.StdoutAccessLog` } }] });
}

const addHeader = (header: Json) => host({ request_headers_to_add: [{ header: { key: 'x-a', value: 'b', ...header } }] });
const toCluster = (fields: Json) => route({ direct_response: null, route: { cluster: 'c', ...fields } });
const rbac = (principal: Json) =>
  httpFilter('rbac.v3.RBAC', { rules: { policies: { p: { permissions: [{ any: true }], principals: [principal] } } } });
const compressor = (codes: readonly number[]) =>
  httpFilter('compressor.v3.Compressor', {
    compressor_library: { name: 'g', typed_config: { '@type': `${EXTENSIONS}.compression.gzip.compressor.v3.Gzip` } },
    response_direction_config: { uncompressible_response_codes: codes },
  });
const matcher = (map: Json) => {
  const input = { name: 'i', typed_config: { '@type': `${EXTENSIONS}.matching.common_inputs.network.v3.ServerNameInput` } };
  const filters = [
    { name: 't', typed_config: { '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 't', cluster: 'c' } },
  ];
  return listener({ filter_chains: [{ name: 'n', filters }], filter_chain_matcher: { matcher_tree: { input, exact_match_map: { map } } } });
};
const chainNamed = { action: { name: 'n', typed_config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'n' } } };

/** What Envoy takes, and what it refuses because of a constraint, which is all that tells the two apart. */
const CASES: Readonly<Record<string, { readonly right: readonly Json[]; readonly wrong: readonly Json[] }>> = {
  'a text that must not be empty': { right: [cluster({})], wrong: [cluster({ name: '' })] },
  'characters, not bytes': {
    right: [httpFilter('api_key_auth.v3.ApiKeyAuth', { key_sources: [{ query: 'ü'.repeat(1024) }] })],
    wrong: [httpFilter('api_key_auth.v3.ApiKeyAuth', { key_sources: [{ query: 'a'.repeat(1025) }] })],
  },
  'bytes, not characters': { right: [addHeader({ value: 'ü'.repeat(8192) })], wrong: [addHeader({ value: 'ü'.repeat(8193) })] },
  'bytes of bytes': {
    right: [addHeader({ value: '', raw_value: Buffer.alloc(16_384, 'a').toString('base64') })],
    wrong: [addHeader({ value: '', raw_value: Buffer.alloc(16_385, 'a').toString('base64') })],
  },
  'the name of a header, not strictly': {
    right: [addHeader({ key: 'x~a,b' })],
    wrong: [addHeader({ key: 'a\nb' }), addHeader({ key: '' })],
  },
  'the name of a header, strictly': {
    right: [cluster({ typed_extension_protocol_options: protocolOptions({ override_auto_sni_header: 'x-a,b' }) })],
    wrong: [
      cluster({ typed_extension_protocol_options: protocolOptions({ override_auto_sni_header: 'a b' }) }),
      cluster({ typed_extension_protocol_options: protocolOptions({ override_auto_sni_header: ':' }) }),
    ],
  },
  'none at all, where it is not looked at when it is empty': {
    right: [cluster({ typed_extension_protocol_options: protocolOptions({ override_auto_sni_header: '' }) })],
    wrong: [],
  },
  'the value of a header': { right: [addHeader({ value: 'a\tü' })], wrong: [addHeader({ value: 'a\rb' })] },
  'a pattern': {
    right: [route({ match: { path_separated_prefix: '/a' } }), route({ match: { path_separated_prefix: '/\u2028\u00a0b' } })],
    wrong: [route({ match: { path_separated_prefix: '/a/' } }), route({ match: { path_separated_prefix: '/a?b' } })],
  },
  'one of some texts': {
    right: [http({ scheme_header_transformation: { scheme_to_overwrite: 'https' } })],
    wrong: [http({ scheme_header_transformation: { scheme_to_overwrite: 'ftp' } })],
  },
  'a flag that can only be true': { right: [rbac({ any: true })], wrong: [rbac({ any: false })] },
  'an enum, by number': {
    right: [cluster({ lb_policy: 5, load_assignment: { cluster_name: 'c' } })],
    wrong: [cluster({ lb_policy: 99 })],
  },
  'a value of an enum that must not be': {
    right: [healthCheck({ tcp_health_check: null, http_health_check: { path: '/', method: 'PUT' } })],
    wrong: [healthCheck({ tcp_health_check: null, http_health_check: { path: '/', method: 'CONNECT' } })],
  },
  'a fraction': {
    right: [
      cluster({ common_lb_config: { healthy_panic_threshold: { value: 100 } } }),
      cluster({ common_lb_config: { healthy_panic_threshold: {} } }),
    ],
    wrong: [
      cluster({ common_lb_config: { healthy_panic_threshold: { value: 100.5 } } }),
      cluster({ common_lb_config: { healthy_panic_threshold: { value: -1 } } }),
      cluster({ common_lb_config: { healthy_panic_threshold: { value: 'Infinity' } } }),
    ],
  },
  'a whole number without presence': {
    right: [route({ direct_response: { status: 599 } })],
    wrong: [route({ direct_response: { status: 600 } }), route({ direct_response: {} })],
  },
  'a wrapper, which may be missing': {
    right: [http({ http2_protocol_options: {} }), http({ http2_protocol_options: { initial_stream_window_size: 65_535 } })],
    wrong: [
      http({ http2_protocol_options: { initial_stream_window_size: 65_534 } }),
      http({ http2_protocol_options: { initial_stream_window_size: 0 } }),
    ],
  },
  '64 bits': {
    right: [cluster({ maglev_lb_config: { table_size: '5000011' } })],
    wrong: [
      cluster({ maglev_lb_config: { table_size: '5000012' } }),
      cluster({ maglev_lb_config: { table_size: '18446744073709551615' } }),
    ],
  },
  'a duration': {
    right: [cluster({ connect_timeout: '0.000000001s' }), cluster({})],
    wrong: [cluster({ connect_timeout: '0s' })],
  },
  'a duration within a range': {
    right: [{ stats_flush_interval: '0.001s' }, { stats_flush_interval: '299.999999999s' }],
    wrong: [{ stats_flush_interval: '0.000999999s' }, { stats_flush_interval: '300s' }],
  },
  'a duration that is required': { right: [healthCheck({})], wrong: [healthCheck({ timeout: null })] },
  'a wrapper that is required': { right: [healthCheck({ healthy_threshold: 0 })], wrong: [healthCheck({ healthy_threshold: null })] },
  'a message that is required': {
    right: [host({ request_headers_to_add: [{ header: { key: 'a' } }] })],
    wrong: [host({ request_headers_to_add: [{ header: null }] })],
  },
  'an Any that is required': {
    right: [],
    wrong: [cluster({ load_balancing_policy: { policies: [{ typed_extension_config: { name: 'x' } }] } })],
  },
  'one of several that is required': {
    right: [toCluster({})],
    wrong: [toCluster({ cluster: null }), healthCheck({ tcp_health_check: null })],
  },
  'one of several, which is empty': { right: [], wrong: [toCluster({ cluster: '' })] },
  'how many items': {
    right: [host({ request_headers_to_remove: [] })],
    wrong: [
      host({ domains: [] }),
      host({ request_headers_to_add: Array.from({ length: 1001 }, (_, index) => ({ header: { key: `x-${index}`, value: 'a' } })) }),
    ],
  },
  'each item': {
    right: [host({ request_headers_to_remove: ['a', 'a'] })],
    wrong: [host({ request_headers_to_remove: ['a', ''] })],
  },
  'items that are one of some': {
    right: [accessLog({ response_flag_filter: { flags: ['UH', 'UH'] } })],
    wrong: [accessLog({ response_flag_filter: { flags: ['UH', 'XX'] } })],
  },
  'items that must not be there twice': { right: [compressor([200, 599])], wrong: [compressor([200, 200]), compressor([199])] },
  'how many a map has': { right: [matcher({ a: chainNamed })], wrong: [matcher({})] },
  'keys of a map': {
    right: [cluster({ metadata: { filter_metadata: { a: {} } } })],
    wrong: [cluster({ metadata: { filter_metadata: { '': {} } } })],
  },
  'what is in lists, maps and oneofs': {
    right: [],
    wrong: [
      cluster({ load_assignment: { cluster_name: 'c', endpoints: [{ priority: 129 }] } }),
      cluster({ load_assignment: { cluster_name: 'c', named_endpoints: { a: { health_check_config: { port_value: 65_536 } } } } }),
      toCluster({ cluster: null, weighted_clusters: { clusters: [] } }),
    ],
  },
};

function protocolOptions(upstream: Json): Json {
  const type = `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`;
  return {
    [type.replace(/.*\//, '')]: {
      '@type': type,
      upstream_http_protocol_options: upstream,
      explicit_http_config: { http_protocol_options: {} },
    },
  };
}

const folder = new TemporaryFolder();
after(() => folder.dispose());
let files = 0;

/** What Envoy says against a bootstrap; empty where it takes it. */
async function envoyObjection(bootstrap: Json): Promise<string> {
  const file = folder.join(`${files++}.json`);
  writeFileSync(file, JSON.stringify(bootstrap));
  const args = [
    '--mode',
    'validate',
    '-c',
    file,
    '-l',
    'error',
    '--disable-hot-restart',
    '--concurrency',
    '1',
    '--service-node',
    'n',
    '--service-cluster',
    'c',
  ];
  try {
    await promisify(execFile)(envoyBinary(), args);
    return '';
  } catch (error) {
    return String(Reflect.get(Object(error), 'stderr'));
  }
}

function ourObjections(bootstrap: Json): readonly string[] {
  const registry = envoyRegistry();
  const result = readMessage(bootstrap, BootstrapSchema, registry);
  if (!result.read) return result.findings.map(({ message }) => message);
  const objections: string[] = [];
  validateConstraints(result.message, registry, (_, message) => objections.push(message));
  return objections;
}

function shown(bootstrap: Json): string {
  return JSON.stringify(bootstrap).slice(0, 1_000);
}

describe('Envoy agrees', { ...needs('envoy'), timeout: 300_000 }, () => {
  for (const [name, { right, wrong }] of Object.entries(CASES)) {
    it(`on ${name}`, async () => {
      for (const bootstrap of right) {
        assert.deepEqual(ourObjections(bootstrap), [], shown(bootstrap));
        assert.equal(await envoyObjection(bootstrap), '', shown(bootstrap));
      }
      for (const bootstrap of wrong) {
        assert.notDeepEqual(ourObjections(bootstrap), [], shown(bootstrap));
        assert.match(await envoyObjection(bootstrap), /Proto constraint validation failed/, shown(bootstrap));
      }
    });
  }

  const withdrawn = {
    field: host({
      rate_limits: [{ actions: [{ dynamic_metadata: { descriptor_key: 'a', metadata_key: { key: 'a', path: [{ key: 'b' }] } } }] }],
    }),
    value: http({ route_config: null, rds: { route_config_name: 'r', config_source: { api_config_source: {} } } }),
  };
  for (const [what, bootstrap] of Object.entries(withdrawn)) {
    it(`that it no longer takes a ${what}`, async () => {
      assert.match(ourObjections(bootstrap).join(), /no longer take/);
      assert.match(await envoyObjection(bootstrap), /deprecated/);
    });
  }
});
