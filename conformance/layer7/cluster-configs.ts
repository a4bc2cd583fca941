import { fileURLToPath } from 'node:url';
import { ALWAYS, cluster, extension, httpFilter, httpFilterName, resource } from '../../testkit/envoy-config-manifests.ts';
import type { MadeCertificate } from '../../testkit/make-certificate.ts';
import { envOf } from '../policy/reporting-pod.ts';
import { BY_LISTENER } from './shop-config.ts';

// What is made of a Service in a cluster by use cases of Cilium's documentation.

const PROGRAM = fileURLToPath(new URL('echo-program.ts', import.meta.url));
const PORTS = { http: 8080, tls: 8443, words: 8081 } as const;

type Json = Readonly<Record<string, unknown>>;

/** Of the certificate by which backends are known, in {@link authority}. */
export const BACKEND_NAME = 'backend.test';
/** Of the Service `shop`, on each node. */
export const NODE_PORT = 30_080;
const AUTHORITY = 'backend-authority';
const LIMIT = 'local_ratelimit.v3.LocalRateLimit';

export function echoPod(name: string, node: string, certificate: MadeCertificate): object {
  const env = {
    NAME: name,
    PORT: PORTS.http,
    TLS_PORT: PORTS.tls,
    WORD_PORT: PORTS.words,
    CERTIFICATE: certificate.certificate,
    PRIVATE_KEY: certificate.privateKey,
  };
  const readinessProbe = { httpGet: { port: PORTS.http, path: '/healthz' }, periodSeconds: 1, timeoutSeconds: 5 };
  const main = { name: 'main', image: 'lab/host:1', command: [process.execPath, PROGRAM], env: envOf(env), readinessProbe };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name, tier: 'backend' } },
    spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [main] },
  };
}

/** Services that listeners take, one that none does, and one for each of the backends. */
export function services(...backends: readonly string[]): readonly object[] {
  const of = (name: string, selector: object, spec: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector, ports: Object.entries(PORTS).map(([port, number]) => ({ name: port, port: number })), ...spec },
  });
  const onNodes = { type: 'NodePort', ports: [{ name: 'http', port: PORTS.http, nodePort: NODE_PORT }] };
  const taken = ['safe', 'words', 'plain'].map((name) => of(name, { tier: 'backend' }));
  return [of('shop', { tier: 'backend' }, onNodes), ...taken, ...backends.map((name) => of(name, { app: name }, { clusterIP: 'None' }))];
}

export function authority({ certificate }: MadeCertificate): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: AUTHORITY, namespace: 'default' }, stringData: { 'ca.crt': certificate } };
}

/** Splits, translates paths, tries again, limits and changes headers. @param mark what it adds to requests */
export function shop(mark: string, more: Json = {}): object {
  const bucket = { maxTokens: 2, tokensPerFill: 2, fillInterval: '3600s' };
  const limit = { statPrefix: 'limited', tokenBucket: bucket, filterEnabled: ALWAYS, filterEnforced: ALWAYS };
  const limited = resource(`envoy.extensions.filters.http.${LIMIT}`, limit);
  const weights = ['one', 'two'].map((name) => ({ name, weight: 50 }));
  const routes = [
    { match: { prefix: '/one' }, route: { cluster: 'one' } },
    { match: { prefix: '/two' }, route: { cluster: 'two' } },
    {
      match: { safeRegex: { regex: '/old/.*' } },
      route: { cluster: 'one', regexRewrite: { pattern: { regex: '^/old/([^/]+)/(.*)$' }, substitution: String.raw`/new/\2/of/\1` } },
    },
    { match: { prefix: '/flaky' }, route: { cluster: 'one', retryPolicy: { retryOn: '5xx', numRetries: 2 } } },
    {
      match: { prefix: '/limited' },
      route: { cluster: 'one' },
      typedPerFilterConfig: { [httpFilterName(LIMIT)]: limited },
    },
    { match: { prefix: '/' }, route: { weightedClusters: { clusters: weights } } },
  ];
  const filters = [httpFilter(LIMIT, { statPrefix: 'none' }), marking(mark)];
  const listener = http(filters, routes);
  return config('shop', [{ name: 'shop', ports: [PORTS.http] }], ['one', 'two'], [...listener, led('one'), led('two')], more);
}

/** Asks by TLS, and trusts whom a Secret says. */
export function safe(): object {
  const context = { sni: BACKEND_NAME, commonTlsContext: { validationContextSdsSecretConfig: { name: `default/${AUTHORITY}` } } };
  const transportSocket = extension('transport_sockets.tls.v3.UpstreamTlsContext', context);
  const listener = http([marking('safe')], [{ match: { prefix: '/' }, route: { cluster: 'two' } }]);
  return config('safe', [{ name: 'safe' }], ['two'], [...listener, led('two', { transportSocket }, PORTS.tls)]);
}

/** Leads connections on, from a namespace's point of view that it has not. */
export function words(): object {
  const filter = extension('filters.network.tcp_proxy.v3.TcpProxy', { statPrefix: 'words', cluster: 'two' });
  const spec = {
    services: [{ name: 'words', namespace: 'default', ports: [PORTS.words] }],
    backendServices: [{ name: 'two', namespace: 'default' }],
    resources: [
      resource('envoy.config.listener.v3.Listener', { name: 'words', filterChains: [{ filters: [filter] }] }),
      led('two', {}, PORTS.words),
    ],
  };
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideEnvoyConfig', metadata: { name: 'words' }, spec };
}

export const SHOP_PORT: number = PORTS.http;
export const WORDS_PORT: number = PORTS.words;

function config(name: string, taken: readonly Json[], backends: readonly string[], resources: readonly Json[], more: Json = {}): object {
  const backendServices = backends.map((backend) => ({ name: backend }));
  const metadata = { name, namespace: 'default' };
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumEnvoyConfig',
    metadata,
    spec: { services: taken, backendServices, resources, ...more },
  };
}

function led(service: string, fields: Json = {}, port: number = PORTS.http): Json {
  return cluster(service, { connectTimeout: '5s', edsClusterConfig: { serviceName: `default/${service}:${port}` }, ...fields });
}

function marking(mark: string): Json {
  const append = { header: { key: BY_LISTENER, value: mark }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' };
  return httpFilter('header_mutation.v3.HeaderMutation', { mutations: { requestMutations: [{ append }] } });
}

function http(filters: readonly Json[], routes: readonly Json[]): readonly Json[] {
  const manager = extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: 'web',
    rds: { routeConfigName: 'routes' },
    httpFilters: [...filters, httpFilter('router.v3.Router')],
  });
  const virtualHost = { name: 'all', domains: ['*'], includeRequestAttemptCount: true, routes };
  return [
    resource('envoy.config.listener.v3.Listener', { name: 'front', filterChains: [{ filters: [manager] }] }),
    resource('envoy.config.route.v3.RouteConfiguration', { name: 'routes', virtualHosts: [virtualHost] }),
  ];
}
