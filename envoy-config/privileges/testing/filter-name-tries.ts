import type { JsonObject } from '@bufbuild/protobuf';
import { any, type Kind, withRoute } from './resources.ts';

const ROUTE = 'filterChains.0.filters.0.typedConfig.routeConfig.virtualHosts.0.routes.0';
const SWITCHED_OFF = any('envoy.config.route.v3.FilterConfig', { disabled: true });

/** Ways to speak to filters by which policies are enforced, as routes do to filters. */
export const FILTER_NAME_TRIES: readonly (readonly [string, Kind, JsonObject, string])[] = [
  [
    'other rules for a slot’s filter, by a route',
    'listener',
    withRoute({ route: { cluster: 'c' }, typedPerFilterConfig: { 'http/egress/x': any('e.filters.http.rbac.v3.RBACPerRoute') } }),
    `envoy.config.route.v3.Route.typed_per_filter_config @ ${ROUTE}.typedPerFilterConfig.http/egress/x`,
  ],
  [
    'a slot’s filter switched off by a virtual host',
    'routes',
    { virtualHosts: [{ name: 'v', domains: ['*'], typedPerFilterConfig: { 'sluice.rules': SWITCHED_OFF } }] },
    'envoy.config.route.v3.VirtualHost.typed_per_filter_config @ virtualHosts.0.typedPerFilterConfig.sluice.rules',
  ],
  [
    'the same by all routes',
    'routes',
    { typedPerFilterConfig: { 'tls/egress/x': SWITCHED_OFF } },
    'envoy.config.route.v3.RouteConfiguration.typed_per_filter_config @ typedPerFilterConfig.tls/egress/x',
  ],
  [
    'the same by a weighted cluster',
    'listener',
    withRoute({
      route: {
        weightedClusters: {
          clusters: [{ name: 'c', weight: 1, typedPerFilterConfig: { 'sluice.asked': SWITCHED_OFF } }],
        },
      },
    }),
    `envoy.config.route.v3.WeightedCluster.ClusterWeight.typed_per_filter_config @ ${ROUTE}.route.weightedClusters.clusters.0.typedPerFilterConfig.sluice.asked`,
  ],
];
