import { type FileRegistry, isMessage } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { type RouteAction, RouteActionSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { RdsSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type TcpProxy, TcpProxySchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { ClientHandling } from './annotations.ts';
import { mayBeginTls, tlsNotPlain } from './begun-tls.ts';
import { type Path, stepsOf } from './messages/path.ts';
import { walkMessage } from './messages/walk-message.ts';
import type { NamedResource } from './name-resources.ts';
import type { ReadResource } from './read-resource.ts';
import type { ResourceKind } from './references/meaning.ts';
import { referencesIn } from './references/references.ts';
import type { Report } from './report.ts';
import { notSentAsAsked, routesIn } from './sent-as-asked.ts';

export interface UnaskedTlsOptions {
  readonly resources: readonly NamedResource[];
  /** Names of listeners that Services are led to. */
  readonly led: ReadonlySet<string>;
  readonly handling: Pick<ClientHandling, 'keepsSource' | 'unaskedBy'>;
  readonly registry: FileRegistry;
}

/**
 * Tells owners beforehand of what will be refused where rules on requests decide: what a listener that Services are led to sends by TLS, and cannot be said to be
 * what rules were asked of. See "Where Envoy begins TLS" in docs/decisions/envoy-config.md.
 */
export function tellUnaskedTls(options: UnaskedTlsOptions, report: Report): void {
  const { resources, led, handling } = options;
  const beginsTls = resources.some(({ read: { message } }) => isMessage(message.message, ClusterSchema) && mayBeginTls(message.message));
  if (led.size === 0 || !handling.keepsSource || !beginsTls) return;
  const routes = routesIn(resources.map(({ read }) => read.message.message));
  const named = new Map(resources.map(({ name, read }) => [keyOf(read.kind, name), read]));
  const chosen = new Chosen(named, options.registry);
  const telling = new Telling(report);
  for (const { name, read } of resources) {
    const listener = read.message.message;
    if (!led.has(name) || !isMessage(listener, ListenerSchema)) continue;
    const sealed = chosen.by(name).filter(({ message }) => mayBeginTls(message));
    const [first] = sealed;
    if (!first) continue;
    const consequence = `what goes by TLS to the cluster ${JSON.stringify(first.read.name)} is refused where a client's rules on requests decide of it`;
    if (handling.unaskedBy !== undefined) {
      telling.annotation(handling.unaskedBy, `has clients' requests not asked of their rules, so ${consequence}`);
      continue;
    }
    for (const { read: cluster, message } of sealed)
      for (const path of tlsNotPlain(message))
        telling.note(cluster, path, 'may have this cluster send by TLS something else than it is given', consequence);
    for (const { routes: table, path } of notSentAsAsked(listener, routes)) {
      const place = table === undefined ? read : named.get(keyOf('route-configuration', table));
      if (place) telling.note(place, path, 'may make something else of a request after rules were asked of it', consequence);
    }
  }
  telling.tell();
}

interface ChosenCluster {
  readonly read: ReadResource;
  readonly message: Cluster;
}

/** The clusters that a listener's connections and requests go to; those that filters ask by themselves are none of them. */
class Chosen {
  readonly #named: ReadonlyMap<string, ReadResource>;
  readonly #registry: FileRegistry;

  /** @param named the resources of a config, by {@link keyOf} */
  constructor(named: ReadonlyMap<string, ReadResource>, registry: FileRegistry) {
    this.#named = named;
    this.#registry = registry;
  }

  by(listener: string): readonly ChosenCluster[] {
    const found = new Map<string, ChosenCluster>();
    const open = this.#chosenBy('listener', listener);
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const read = this.#named.get(keyOf('cluster', name));
      const message = read?.message.message;
      if (!read || !isMessage(message, ClusterSchema) || found.has(name)) continue;
      found.set(name, { read, message });
      // Those that it is composed of.
      for (const { to, name: other } of referencesIn(read.message, this.#registry)) if (to === 'cluster') open.push(other);
    }
    return [...found.values()];
  }

  #chosenBy(kind: ResourceKind, name: string): string[] {
    const names: string[] = [];
    const read = this.#named.get(keyOf(kind, name));
    if (!read) return names;
    walkMessage(read.message, this.#registry, ({ message }) => {
      if (isMessage(message, RouteActionSchema) || isMessage(message, TcpProxySchema)) names.push(...this.#chosenIn(message));
      if (isMessage(message, RdsSchema)) names.push(...this.#chosenBy('route-configuration', message.routeConfigName));
      return false;
    });
    return names;
  }

  /** What is chosen when a request comes may be any. */
  #chosenIn({ clusterSpecifier: chosen }: RouteAction | TcpProxy): readonly string[] {
    if (chosen.case === 'cluster') return [chosen.value];
    if (chosen.case === 'weightedClusters') return chosen.value.clusters.map(({ name }) => name);
    const all = [...this.#named.values()].map(({ message }) => message.message);
    return all.flatMap((message) => (isMessage(message, ClusterSchema) ? message.name : []));
  }
}

function keyOf(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`;
}

interface Noted {
  readonly paths: Map<string, Path>;
  readonly what: string;
  readonly consequence: string;
}

/** Of each resource the first field, and how many more there are: any of them is enough. */
class Telling {
  readonly #report: Report;
  readonly #noted = new Map<ReadResource, Noted>();

  constructor(report: Report) {
    this.#report = report;
  }

  annotation(name: string, message: string): void {
    this.#report.add(['metadata', 'annotations', name], 'UnaskedTls', message);
  }

  note(read: ReadResource, path: Path, what: string, consequence: string): void {
    const noted = this.#noted.get(read) ?? { paths: new Map<string, Path>(), what, consequence };
    this.#noted.set(read, noted);
    noted.paths.set(JSON.stringify(stepsOf(path)), path);
  }

  tell(): void {
    for (const [{ pathOf }, { paths, what, consequence }] of this.#noted) {
      const [first] = paths.values();
      const others = paths.size - 1;
      const more = others === 0 ? '' : ` (as ${others} more of its fields may)`;
      this.#report.add(pathOf(first), 'UnaskedTls', `${what}${more}, so ${consequence}`);
    }
  }
}
