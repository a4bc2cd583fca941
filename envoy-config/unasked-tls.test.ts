import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPath } from '../model/index.ts';
import { extension, httpFilter, type Json, resource } from '../testkit/envoy-config-manifests.ts';
import { envoyConfigObject } from '../testkit/kube-objects.ts';
import { readEnvoyConfig } from './read-envoy-config.ts';

const TLS = { transportSocket: extension('transport_sockets.tls.v3.UpstreamTlsContext', {}) };
const WRITES = { prefixRewrite: '/other' };
const ROUTER = httpFilter('router.v3.Router');

/** A listener with routes of its own. */
function listener(name: string, filters: readonly Json[] = []): Json {
  const manager = extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: name,
    rds: { routeConfigName: name },
    httpFilters: [...filters, ROUTER],
  });
  return resource('envoy.config.listener.v3.Listener', { name, filterChains: [{ filters: [manager] }] });
}

function routes(name: string, ...actions: readonly Json[]): Json {
  const virtualHosts = [{ name: 'all', domains: ['*'], routes: actions.map((route) => ({ match: { prefix: '/' }, route })) }];
  return resource('envoy.config.route.v3.RouteConfiguration', { name, virtualHosts });
}

function cluster(name: string, fields: Json = {}): Json {
  return resource('envoy.config.cluster.v3.Cluster', { name, type: 'EDS', edsClusterConfig: { serviceName: 'default/web' }, ...fields });
}

interface Case {
  readonly resources: readonly Json[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** Default: as on nodes that enforce policies. */
  readonly clientMark?: number | undefined;
}

function told({ resources, annotations = {}, clientMark = 0xd02 }: Case): readonly string[] {
  const spec = { services: [{ name: 'web', listener: 'front' }], backendServices: [{ name: 'web' }], resources };
  const object = envoyConfigObject(spec, { name: 'web', annotations });
  const { config, diagnostics } = readEnvoyConfig(object, { allow: [], mark: 0xd00, ...(clientMark > 0 && { clientMark }) });
  assert.ok(config, JSON.stringify(diagnostics));
  return diagnostics.filter(({ code }) => code === 'UnaskedTls').map(({ path, message }) => `${formatPath(path)} ${message}`);
}

const FRONT = listener('front');
const REFUSED = "is refused where a client's rules on requests decide of it";
const WRITTEN =
  'spec.resources[1].virtualHosts[0].routes[0].route.prefixRewrite may make something else of a request after rules were asked of it';
const TO_WEB = `so what goes by TLS to the cluster "web" ${REFUSED}`;
const BASE = [FRONT, routes('front', { cluster: 'web', ...WRITES }), cluster('web', TLS)];
const AUTHORIZED = httpFilter('ext_authz.v3.ExtAuthz', { grpcService: { envoyGrpc: { clusterName: 'asked' } } });

describe('owners of configs are told beforehand that TLS will be refused', () => {
  const cases: Readonly<Record<string, readonly [Case, ...string[]]>> = {
    'where a route writes a path': [{ resources: BASE }, `${WRITTEN}, ${TO_WEB}`],
    'where several do, once': [
      { resources: [FRONT, routes('front', { cluster: 'web', ...WRITES }, { cluster: 'web', ...WRITES }), cluster('web', TLS)] },
      `${WRITTEN} (as 1 more of its fields may), ${TO_WEB}`,
    ],
    'where one of several clusters begins it': [
      {
        resources: [
          FRONT,
          routes('front', { ...WRITES, weightedClusters: { clusters: ['plain', 'web'].map((name) => ({ name, weight: 1 })) } }),
          cluster('plain'),
          cluster('web', TLS),
        ],
      },
      `${WRITTEN}, ${TO_WEB}`,
    ],
    'where an annotation has nobody asked': [
      { resources: BASE, annotations: { 'cec.cilium.io/is-l7lb': 'false' } },
      `metadata.annotations["cec.cilium.io/is-l7lb"] has clients' requests not asked of their rules, ${TO_WEB}`,
    ],
    'not where nothing is made of requests': [{ resources: [FRONT, routes('front', { cluster: 'web' }), cluster('web', TLS)] }],
    'not where no cluster begins it': [{ resources: [FRONT, routes('front', { cluster: 'web', ...WRITES }), cluster('web')] }],
    'not where another listener leads to it': [
      {
        resources: [
          FRONT,
          routes('front', { cluster: 'plain', ...WRITES }),
          cluster('plain'),
          listener('back'),
          routes('back', { cluster: 'web', ...WRITES }),
          cluster('web', TLS),
        ],
      },
    ],
    'not where a filter asks the cluster': [
      {
        resources: [
          listener('front', [AUTHORIZED]),
          routes('front', { cluster: 'plain', ...WRITES }),
          cluster('plain'),
          cluster('asked', { ...TLS, typedExtensionProtocolOptions: {} }),
        ],
      },
    ],
    'not where no Services are led to listeners': [{ resources: BASE, clientMark: 0 }],
    "not where the node's ingress address is judged": [
      { resources: BASE, annotations: { 'cec.cilium.io/use-original-source-address': 'false' } },
    ],
  };
  for (const [what, [config, ...expected]] of Object.entries(cases)) test(what, () => assert.deepEqual(told(config), expected));
});
