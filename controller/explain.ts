import type { Collection } from '../collection/index.ts';
import { normalizePath } from '../ingress-controller/index.ts';
import { normalizeRequest } from '../l7-filters/http/index.ts';
import type { Certificate, Cluster, EndpointSet, Listener, Route, TlsChain, VirtualHost } from '../model/index.ts';
import { matchRoute, type RoutePick } from './explain/routes.ts';
import { matchTlsChain, serverNameOf } from './explain/server-names.ts';
import { matchVirtualHost, nearestHosts } from './explain/virtual-hosts.ts';

/** The parts of the model that a request passes through. */
export interface ExplainModel {
  readonly listeners: Collection<Listener>;
  /** By `${table} ${host}`. */
  readonly virtualHosts: Collection<VirtualHost>;
  readonly clusters: Collection<Cluster>;
  readonly endpointSets: Collection<EndpointSet>;
  readonly certificates: Collection<Certificate>;
}

/** What happens to a request, each part as far as the request gets. */
export interface Explanation {
  readonly url: string;
  readonly outcome: Outcome;
  readonly listener?: Listener;
  readonly tlsChain?: TlsChain;
  readonly certificate?: Certificate;
  readonly virtualHost?: VirtualHost;
  readonly route?: RoutePick;
  readonly cluster?: Cluster;
  readonly endpointSet?: EndpointSet;
  /** Where a redirect leads. */
  readonly next?: Explanation;
}

export type Outcome =
  /** Goes to the cluster. */
  | { readonly kind: 'forward' }
  /** Goes to the cluster as it is, TLS and all; without a cluster the connection is closed. */
  | { readonly kind: 'passthrough' }
  | { readonly kind: 'redirect'; readonly status: number; readonly location: string }
  /** Answered without a backend. */
  | { readonly kind: 'respond'; readonly status: number; readonly body: string }
  /** Nothing takes the request; `nearest` is what would be taken, closest first. */
  | { readonly kind: 'nothing'; readonly lacks: Lack; readonly status?: 404; readonly nearest: readonly string[] };

/** The step at which nothing was found. */
export type Lack = 'listener' | 'tls' | 'host' | 'route';

const MAX_NEAREST = 5;

/**
 * Follows a GET of a URL through the model as Envoy follows it through what is made of the model: listener, TLS by server
 * name, virtual host, the first route that matches, cluster, endpoints. A port in the URL names the listener; without one
 * it is the listener `http` or `https`. A redirect to HTTPS is followed.
 * @throws TypeError where `url` is neither http nor https
 */
export function explainUrl(model: ExplainModel, url: URL): Explanation {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`${url.href} is neither http nor https`);
  const secure = url.protocol === 'https:';
  const listener = findListener(model, url, secure);
  if (!listener) return nothing(url, {}, 'listener', entriesOf(model, secure));
  if (!secure) return serve(model, url, { listener }, listener.plaintextTable ?? '');
  const tlsChain = matchTlsChain(listener.tlsChains, serverNameOf(url));
  if (!tlsChain) return nothing(url, { listener }, 'tls', nearestHosts(serverNameOf(url), serverNamesOf(listener)));
  if (tlsChain.kind === 'passthrough') {
    const target = tlsChain.cluster === undefined ? {} : backend(model, tlsChain.cluster);
    return { url: url.href, outcome: { kind: 'passthrough' }, listener, tlsChain, ...target };
  }
  const certificate = model.certificates.get(tlsChain.certificate);
  return serve(model, url, { listener, tlsChain, ...(certificate && { certificate }) }, tlsChain.routeTable);
}

type Passed = Omit<Explanation, 'url' | 'outcome'>;

/** What of an URL Envoy answers itself, and with which path routes are chosen for others: by the setting `http.pathNormalization`. */
function serve(model: ExplainModel, url: URL, passed: Passed & { readonly listener: Listener }, table: string): Explanation {
  const request = { method: 'GET', path: `${url.pathname}${url.search}`, host: url.hostname, headers: [] };
  const normalized = normalizeRequest(request, passed.listener.http);
  if (normalized.kind === 'refused') return { url: url.href, outcome: { kind: 'respond', status: 400, body: '' }, ...passed };
  if (normalized.kind === 'redirect') {
    const target = new URL(url);
    target.pathname = normalized.path.replace(/\?.*/s, '');
    const outcome: Outcome = { kind: 'redirect', status: 307, location: target.href };
    return { url: url.href, outcome, ...passed, next: explainUrl(model, target) };
  }
  const [path = ''] = normalized.request.path.split('?');
  return atTable(model, url, passed, table, path);
}

function nothing(url: URL, passed: Passed, lacks: Lack, nearest: readonly string[]): Explanation {
  const status = lacks === 'host' || lacks === 'route' ? { status: 404 as const } : {};
  return { url: url.href, outcome: { kind: 'nothing', lacks, ...status, nearest: nearest.slice(0, MAX_NEAREST) }, ...passed };
}

function findListener(model: ExplainModel, url: URL, secure: boolean): Listener | undefined {
  const able = serving(model, secure);
  if (url.port !== '') return able.find((listener) => listener.port === Number(url.port));
  return able.find((listener) => listener.name === (secure ? 'https' : 'http'));
}

function serving(model: ExplainModel, secure: boolean): Listener[] {
  const able = [...model.listeners.values()].filter((listener) =>
    secure ? listener.tlsChains.length > 0 : listener.plaintextTable !== undefined,
  );
  return able.sort((a, b) => a.port - b.port);
}

function entriesOf(model: ExplainModel, secure: boolean): string[] {
  const entry = (scheme: string) => (listener: Listener) => `${scheme} port ${listener.port}`;
  return secure
    ? [...serving(model, true).map(entry('https')), ...serving(model, false).map(entry('http'))]
    : [...serving(model, false).map(entry('http')), ...serving(model, true).map(entry('https'))];
}

function serverNamesOf(listener: Listener): string[] {
  return listener.tlsChains.flatMap((chain) => (chain.kind === 'terminate' ? chain.serverNames : [chain.serverName]));
}

function atTable(model: ExplainModel, url: URL, passed: Passed, table: string, path: string): Explanation {
  const host = url.hostname.toLowerCase().replace(/\.$/, '');
  const found = matchVirtualHost(model.virtualHosts, table, host);
  if (!found) return nothing(url, passed, 'host', nearestHosts(host, hostsOf(model, table)));
  const { virtualHost, routes } = found;
  const route = matchRoute(routes, normalizePath(path));
  if (!route.route) {
    return nothing(url, { ...passed, virtualHost, route }, 'route', routes.map(describeRoute));
  }
  return follow(model, url, { ...passed, virtualHost, route }, route.route);
}

function hostsOf(model: ExplainModel, table: string): string[] {
  return [...model.virtualHosts.values()].filter((candidate) => candidate.table === table).map((candidate) => candidate.host);
}

function describeRoute({ match }: Route): string {
  return `${match.kind} ${match.value}`;
}

function follow(model: ExplainModel, url: URL, passed: Passed, { action }: Route): Explanation {
  switch (action.kind) {
    case 'forward':
      return { url: url.href, outcome: { kind: 'forward' }, ...passed, ...backend(model, action.cluster) };
    case 'respond':
      return { url: url.href, outcome: { kind: 'respond', status: action.status, body: action.body }, ...passed };
    case 'redirect-https': {
      const target = new URL(url);
      target.protocol = 'https:';
      target.port = action.port === undefined ? '' : String(action.port);
      const outcome: Outcome = { kind: 'redirect', status: action.status, location: target.href };
      return { url: url.href, outcome, ...passed, next: explainUrl(model, target) };
    }
  }
}

function backend(model: ExplainModel, name: string): Pick<Explanation, 'cluster' | 'endpointSet'> {
  const cluster = model.clusters.get(name);
  if (!cluster) return {};
  const endpointSet = cluster.discovery.kind === 'eds' ? model.endpointSets.get(cluster.discovery.serviceName) : undefined;
  return { cluster, ...(endpointSet && { endpointSet }) };
}
