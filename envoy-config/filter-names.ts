import { type FileRegistry, isMessage } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { FilterConfigSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  HttpFilterSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { chainsOf, managerOf } from './filter-chains.ts';
import { nearestName, suggest } from './messages/nearest.ts';
import { below, type Path } from './messages/path.ts';
import { walkMessage } from './messages/walk-message.ts';
import type { NamedResource } from './name-resources.ts';
import type { ReadResource } from './read-resource.ts';
import type { Report } from './report.ts';

/** A table of routes that has something to tell filters, and who has it. */
interface Table {
  readonly read: ReadResource;
  readonly told: readonly Told[];
  readonly managers: HttpConnectionManager[];
}

interface Told {
  readonly filter: string;
  readonly path: Path;
}

/**
 * Tells where routes have something for a filter by a name that none has of the listeners that use them: Envoy takes it silently, and does nothing. Routes that
 * no listener uses are not looked at. What is in matching trees is not, either.
 * @param resources all of a config
 */
export function tellUnknownFilters(resources: readonly NamedResource[], registry: FileRegistry, report: Report): void {
  const tables = tablesIn(resources);
  if (tables.every(({ told }) => told.length === 0)) return;
  const ofClusters = resources.flatMap(({ read }) =>
    isMessage(read.message.message, ClusterSchema) ? namesIn(read.message, registry) : [],
  );
  for (const { read, told, managers } of tables) {
    if (told.length === 0 || managers.length === 0) continue;
    const names = managers.flatMap((manager) => namesIn(reflect(HttpConnectionManagerSchema, manager), registry));
    const known = new Set([...names, ...ofClusters]);
    for (const { filter, path } of told) {
      if (known.has(filter)) continue;
      const hint = suggest(nearestName(filter, known));
      const message = `names no HTTP filter of the listeners that have these routes, so Envoy takes no notice of it${hint}`;
      report.add(read.pathOf(path), 'UnknownFilterName', message);
    }
  }
}

function tablesIn(resources: readonly NamedResource[]): readonly Table[] {
  const named = new Map<string, Table>();
  for (const { name, read } of resources) {
    const { message } = read.message;
    if (isMessage(message, RouteConfigurationSchema)) named.set(name, { read, told: [...toldBy(message, undefined)], managers: [] });
  }
  const inline: Table[] = [];
  for (const { read } of resources) {
    const { message } = read.message;
    if (!isMessage(message, ListenerSchema)) continue;
    for (const { manager, at } of managersOf(message)) {
      const { case: kind, value } = manager.routeSpecifier;
      if (kind === 'routeConfig') inline.push({ read, told: [...toldBy(value, below(at, 'routeConfig'))], managers: [manager] });
      else if (kind === 'rds') named.get(value.routeConfigName)?.managers.push(manager);
      // Which of them it will use, requests say.
      else for (const { managers } of named.values()) managers.push(manager);
    }
  }
  return [...named.values(), ...inline];
}

function* managersOf(listener: Listener): Generator<{ readonly manager: HttpConnectionManager; readonly at: Path }> {
  for (const [{ filters }, chain] of chainsOf(listener)) {
    for (const [index, filter] of filters.entries()) {
      const manager = managerOf(filter);
      if (manager) yield { manager, at: below(below(below(chain, 'filters'), index), 'typedConfig') };
    }
  }
}

type PerFilter = Readonly<Record<string, Any>>;

function* toldBy({ typedPerFilterConfig, virtualHosts }: RouteConfiguration, at: Path): Generator<Told> {
  yield* keysOf(typedPerFilterConfig, at);
  for (const [index, host] of virtualHosts.entries()) {
    const hostAt = below(below(at, 'virtualHosts'), index);
    yield* keysOf(host.typedPerFilterConfig, hostAt);
    for (const [number, route] of host.routes.entries()) {
      const routeAt = below(below(hostAt, 'routes'), number);
      yield* keysOf(route.typedPerFilterConfig, routeAt);
      const chosen = route.action.case === 'route' ? route.action.value.clusterSpecifier : undefined;
      if (chosen?.case !== 'weightedClusters') continue;
      const clusters = below(below(below(routeAt, 'route'), 'weightedClusters'), 'clusters');
      for (const [place, cluster] of chosen.value.clusters.entries()) yield* keysOf(cluster.typedPerFilterConfig, below(clusters, place));
    }
  }
}

/** But for what is said to be there only where somebody knows it. */
function* keysOf(told: PerFilter, at: Path): Generator<Told> {
  for (const [filter, config] of Object.entries(told)) {
    if (!anyUnpack(config, FilterConfigSchema)?.isOptional) yield { filter, path: below(below(at, 'typedPerFilterConfig'), filter) };
  }
}

/** Of filters, and of those that filters consist of, or have behind them. */
function namesIn(message: Parameters<typeof walkMessage>[0], registry: FileRegistry): readonly string[] {
  const names: string[] = [];
  walkMessage(message, registry, ({ message: each }) => {
    if (isMessage(each, HttpFilterSchema) || isMessage(each, TypedExtensionConfigSchema)) names.push(each.name);
    return false;
  });
  return names;
}
