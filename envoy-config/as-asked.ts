import { create, isMessage, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChain } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { ResourceName } from '../xds-server/serve/resource.ts';
import { resourceOf } from '../xds-server/translate/encode.ts';
import { ROUTES } from '../xds-server/translate/types.ts';
import { beginsTlsItself } from './begun-tls.ts';
import type { ConfigResource } from './envoy-config.ts';
import type { NamedResource } from './name-resources.ts';
import type { Report } from './report.ts';
import { notSentAsAsked, routesIn } from './sent-as-asked.ts';

/** No resource of a config has a name that begins so. */
const PREFIX = 'sluice.as-asked/';

/**
 * Listeners of a config that send on just what their last filter gets, where that matters: where a cluster begins TLS. Their routes have names of their own,
 * which nothing else ever has: connections that are open when a config changes go on with the listener that they came to, and by the routes that it names.
 */
export class AsAsked {
  readonly #resources: ReadonlyMap<string, NamedResource>;
  readonly #routes: ReturnType<typeof routesIn>;
  readonly #isSealed: boolean;
  readonly #named = new Set<string>();

  constructor(resources: readonly NamedResource[]) {
    const messages = resources.map(({ read }) => read.message.message);
    this.#routes = routesIn(messages);
    this.#resources = new Map(
      resources.filter(({ read }) => isMessage(read.message.message, RouteConfigurationSchema)).map((each) => [each.name, each]),
    );
    this.#isSealed = messages.some((message) => isMessage(message, ClusterSchema) && beginsTlsItself(message));
  }

  /** @returns undefined where it sends something else, or none of its clusters begins TLS */
  readonly listener = (
    listener: Listener,
    requires: readonly ResourceName[],
  ): { readonly listener: Listener; readonly requires: readonly ResourceName[] } | undefined => {
    if (!this.#isSealed || !notSentAsAsked(listener, this.#routes).next().done) return undefined;
    const rename = (chain: FilterChain) => this.#renameRoutes(chain);
    const { filterChains, defaultFilterChain } = listener;
    return {
      listener: {
        ...listener,
        filterChains: filterChains.map(rename),
        ...(defaultFilterChain && { defaultFilterChain: rename(defaultFilterChain) }),
      },
      requires: requires.map((each) =>
        each.typeUrl === ROUTES && this.#named.has(each.name) ? { ...each, name: PREFIX + each.name } : each,
      ),
    };
  };

  /** Those routes under their names, after all listeners. */
  routes(report: Report): ConfigResource[] {
    return [...this.#named].flatMap((name) => {
      const resource = this.#resources.get(name);
      const message = this.#routes.get(name);
      if (!resource || !message) return [];
      const body = toBinary(RouteConfigurationSchema, { ...message, name: PREFIX + name });
      const source = { object: report.object, path: resource.read.pathOf(undefined) };
      return [{ resource: resourceOf(RouteConfigurationSchema, PREFIX + name, body, resource.requires), source }];
    });
  }

  #renameRoutes(chain: FilterChain): FilterChain {
    return {
      ...chain,
      filters: chain.filters.map((filter) => {
        const config = filter.configType;
        const manager = config.case === 'typedConfig' ? anyUnpack(config.value, HttpConnectionManagerSchema) : undefined;
        if (manager?.routeSpecifier.case !== 'rds') return filter;
        const rds = manager.routeSpecifier.value;
        this.#named.add(rds.routeConfigName);
        const routeSpecifier = { case: 'rds', value: { ...rds, routeConfigName: PREFIX + rds.routeConfigName } } as const;
        const value = anyPack(HttpConnectionManagerSchema, create(HttpConnectionManagerSchema, { ...manager, routeSpecifier }));
        return { ...filter, configType: { case: 'typedConfig', value } };
      }),
    };
  }
}
