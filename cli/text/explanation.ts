import type { Explanation } from '../../controller/explain.ts';
import type { Cluster, EndpointSet, FieldRef, Route, RouteAction, TlsChain } from '../../model/index.ts';
import { plural } from './diagnostics.ts';
import { formatSource, type Locate } from './place.ts';
import { someOf } from './some-of.ts';

const LABEL_WIDTH = 13;
const MAX_SOURCES = 3;
const MAX_ENDPOINTS = 8;

export interface ExplanationOptions {
  readonly locate: Locate;
  /** Also name the routes that were tried and do not match. */
  readonly verbose: boolean;
}

/** An explanation as a column of steps, each with the objects behind it. */
export function formatExplanation(explanation: Explanation, options: ExplanationOptions): string {
  const { url, outcome, next } = explanation;
  const lines = [url, ...steps(explanation, options), step('outcome', describeOutcome(explanation))];
  if (outcome.kind === 'nothing' && outcome.nearest.length > 0) lines.push(step('nearest', outcome.nearest.join(', ')));
  const text = `${lines.join('\n')}\n`;
  return next ? `${text}\n${formatExplanation(next, options)}` : text;
}

function steps(explanation: Explanation, { locate, verbose }: ExplanationOptions): string[] {
  const { listener, tlsChain, virtualHost, route, cluster, endpointSet } = explanation;
  const lines: string[] = [];
  const add = (label: string, text: string, sources: readonly FieldRef[]) => {
    lines.push(step(label, text), ...formatSources(sources, locate));
  };
  if (listener) add('listener', `${listener.name}, ${listener.address} port ${listener.port}`, []);
  if (tlsChain) add('tls', describeChain(tlsChain), [...tlsChain.sources, ...(explanation.certificate?.sources ?? [])]);
  if (virtualHost) add('host', virtualHost.host, route?.route ? [] : virtualHost.sources);
  if (route && verbose) lines.push(...route.passedOver.map((other) => step('no match', describeRoute(other))));
  if (route?.route) add('route', `${describeRoute(route.route)} (${route.position} of ${route.total})`, [route.route.source]);
  if (route?.route) lines.push(...optional('action', describeAction(route.route.action)));
  if (cluster) add('cluster', describeCluster(cluster), cluster.sources);
  if (cluster) add('endpoints', describeEndpoints(cluster, endpointSet), endpointSet?.sources ?? []);
  return lines;
}

function step(label: string, text: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${text}`;
}

function optional(label: string, text: string): string[] {
  return text === '' ? [] : [step(label, text)];
}

function formatSources(sources: readonly FieldRef[], locate: Locate): string[] {
  const texts = [...new Set(sources.map((source) => formatSource(source, locate)))];
  const shown = texts.slice(0, MAX_SOURCES).map((text) => step('', `from ${text}`));
  return texts.length > MAX_SOURCES ? [...shown, step('', `and ${texts.length - MAX_SOURCES} more`)] : shown;
}

function describeChain(chain: TlsChain): string {
  if (chain.kind === 'passthrough') return `passed through for ${chain.serverName}`;
  const names = chain.serverNames.length === 0 ? 'every other server name' : chain.serverNames.join(', ');
  return `${names}, certificate ${chain.certificate}`;
}

function describeRoute({ match }: Route): string {
  return `${match.kind} ${match.value}`;
}

function describeAction(action: RouteAction): string {
  if (action.kind !== 'forward') return '';
  const parts = [`forward, ${action.timeoutMs === 0 ? 'no timeout' : `timeout ${action.timeoutMs} ms`}`];
  if (action.retry) parts.push(plural(action.retry.attempts, 'retry', 'retries'));
  if (action.affinity) parts.push(`affinity by ${action.affinity.kind}`);
  return parts.join(', ');
}

function describeCluster({ name, protocol, tls, balancing }: Cluster): string {
  const parts = [name, protocol === 'http2' ? 'HTTP/2' : 'HTTP/1.1', balancing];
  if (tls) parts.push(`TLS, ${tls.verification === 'none' ? 'not verified' : 'verified'}`);
  return parts.join(', ');
}

function describeEndpoints({ discovery }: Cluster, set: EndpointSet | undefined): string {
  if (discovery.kind === 'dns') return `every address of ${discovery.hostname}, port ${discovery.port}`;
  const endpoints = (set?.endpoints ?? []).map(({ address, port }) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
  );
  if (endpoints.length === 0) return 'none: requests are answered with 503';
  return someOf(endpoints, MAX_ENDPOINTS);
}

function describeOutcome({ outcome, listener, tlsChain, cluster, endpointSet }: Explanation): string {
  switch (outcome.kind) {
    case 'forward': {
      if (!cluster) return '503: the cluster is not there';
      const empty = cluster.discovery.kind === 'eds' && (endpointSet?.endpoints.length ?? 0) === 0;
      return empty ? '503: no endpoint is ready' : 'one of the endpoints answers';
    }
    case 'passthrough':
      return cluster ? 'the connection goes to one of the endpoints as it is' : 'the connection is closed: its backend cannot be used';
    case 'redirect':
      return `${outcome.status}, to ${outcome.location}`;
    case 'respond':
      return `${outcome.status}${outcome.body === '' ? '' : `: ${outcome.body}`}`;
    case 'nothing':
      return describeLack(outcome.lacks, tlsChain !== undefined, listener?.port);
  }
}

function describeLack(lacks: string, secure: boolean, port: number | undefined): string {
  switch (lacks) {
    case 'listener':
      return 'the connection is refused: nothing listens for this scheme and port';
    case 'tls':
      return 'the connection is closed: no certificate is for this server name';
    case 'host':
      return `404: no Ingress has this host${secure ? ' with TLS' : ''} on port ${port}`;
    default:
      return '404: no path of this host matches';
  }
}
