/** Statistics of Envoy that {@link renderServiceSeries} understands, as an RE2 expression of their own names. */
export const SERVICE_STATS =
  '^(cluster\\.[^.]+\\.(upstream_rq_([1-5]xx|time|timeout|active)|upstream_cx_connect_fail|membership_(healthy|total))' +
  '|http\\.[^.]+\\.downstream_rq_([1-5]xx|time|active))$';

interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly ownerOf: (labels: ReadonlyMap<string, string>) => Labels | undefined;
}

type Labels = readonly (readonly [name: string, value: string])[];

/** `namespace:service:port` of a Service that Ingresses lead to, as Envoy writes it. Names of others have a slash in them, or are fewer words. */
const SERVICE_CLUSTER = /^([a-z0-9-]+)_([a-z0-9-]+)_(\d+)$/;

function serviceOf(labels: ReadonlyMap<string, string>): Labels | undefined {
  const [, namespace, service, port] = SERVICE_CLUSTER.exec(labels.get('envoy_cluster_name') ?? '') ?? [];
  if (namespace === undefined || service === undefined || port === undefined) return undefined;
  return [
    ['namespace', namespace],
    ['service', service],
    ['port', port],
  ];
}

/** Of Envoy's own interface, and of what it asks for itself. */
const NO_LISTENERS = new Set(['admin', 'async-client']);

function listenerOf(labels: ReadonlyMap<string, string>): Labels | undefined {
  const listener = labels.get('envoy_http_conn_manager_prefix') ?? '';
  return listener === '' || NO_LISTENERS.has(listener) ? undefined : [['listener', listener]];
}

const FAMILIES: ReadonlyMap<string, Family> = new Map<string, Family>([
  ['envoy_cluster_upstream_rq_xx', family('counter', 'sluice_service_requests_total', 'Requests that a Service has answered')],
  ['envoy_cluster_upstream_rq_time', family('histogram', 'sluice_service_request_duration_seconds', 'How long its answers took')],
  ['envoy_cluster_upstream_rq_timeout', family('counter', 'sluice_service_timeouts_total', 'Requests that it has not answered in time')],
  [
    'envoy_cluster_upstream_cx_connect_fail',
    family('counter', 'sluice_service_connect_failures_total', 'Connections to endpoints that failed'),
  ],
  ['envoy_cluster_upstream_rq_active', family('gauge', 'sluice_service_requests_active', 'Requests that a Service has yet to answer')],
  ['envoy_cluster_membership_total', family('gauge', 'sluice_service_endpoints', 'Endpoints of a Service')],
  ['envoy_cluster_membership_healthy', family('gauge', 'sluice_service_endpoints_healthy', 'Those that are asked')],
  ['envoy_http_downstream_rq_xx', ofListener('counter', 'sluice_listener_requests_total', 'Requests that a listener has answered')],
  ['envoy_http_downstream_rq_time', ofListener('histogram', 'sluice_listener_request_duration_seconds', 'How long its answers took')],
  ['envoy_http_downstream_rq_active', ofListener('gauge', 'sluice_listener_requests_active', 'Requests that are yet to be answered')],
]);

function family(type: Family['type'], name: string, help: string): Family {
  return { type, name, help, ownerOf: serviceOf };
}

function ofListener(type: Family['type'], name: string, help: string): Family {
  return { type, name, help, ownerOf: listenerOf };
}

const SERIES = /^(envoy_\w+?)(_bucket|_sum|_count)?\{(.*)\} (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const MILLISECONDS = 1000;

/**
 * What Envoy says of Services and listeners, in names of ours and in seconds: requests by their class of code, how long they take, and what went wrong.
 * Nothing else of it is told on: most has a meaning for who knows Envoy only, and is of other things than users have.
 * @param text of Envoy, in Prometheus' format
 * @param maxOwners Services, and listeners, of which is told. Those beyond are left out, and counted
 */
export function renderServiceSeries(text: string, maxOwners: number): string {
  const lines = new Map<Family, string[]>();
  const owners = new Map<Family['ownerOf'], Set<string>>();
  const leftOut = new Set<string>();
  for (const line of text.split('\n')) {
    const [, stat = '', part = '', rest = '', value = ''] = SERIES.exec(line) ?? [];
    const found = FAMILIES.get(stat);
    if (!found || (part !== '') !== (found.type === 'histogram')) continue;
    const labels = new Map([...rest.matchAll(LABEL)].map(([, name = '', text = '']) => [name, text]));
    const owner = found.ownerOf(labels);
    if (!owner) continue;
    const known = entryOf(owners, found.ownerOf, () => new Set<string>());
    const key = owner.map(([, word]) => word).join('\0');
    if (!known.has(key) && known.size >= maxOwners) {
      leftOut.add(key);
      continue;
    }
    known.add(key);
    const own = [...owner, ...detailsOf(labels)].map(([name, word]) => `${name}="${word}"`).join(',');
    const scaled = part === '_sum' ? String(Number(value) / MILLISECONDS) : value;
    entryOf(lines, found, () => []).push(`${found.name}${part}{${own}} ${scaled}`);
  }
  const told = [...lines].map(([{ name, type, help }, of]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${of.join('\n')}\n`);
  const name = 'sluice_service_series_left_out';
  told.push(
    `# HELP ${name} Services and listeners that nothing is told of, since there are too many\n# TYPE ${name} gauge\n${name} ${leftOut.size}\n`,
  );
  return told.join('');
}

function* detailsOf(labels: ReadonlyMap<string, string>): Generator<readonly [name: string, value: string]> {
  const code = labels.get('envoy_response_code_class');
  if (code !== undefined) yield ['code', `${code}xx`];
  const le = labels.get('le');
  if (le !== undefined) yield ['le', le === '+Inf' ? le : String(Number(le) / MILLISECONDS)];
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
