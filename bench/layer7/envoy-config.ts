import type { HttpRuleText } from '../../conformance/layer7/policies.ts';

/** Configurations of an Envoy as a hand would write them, in Envoy's own words. */

const TYPE = 'type.googleapis.com/envoy';
const ROUTER = { name: 'router', typed_config: { '@type': `${TYPE}.extensions.filters.http.router.v3.Router` } };

/** One that answers each request itself. */
export function answering(port: number): object {
  const route = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok\n' } } };
  return { static_resources: { listeners: [listener(port, [ROUTER], route)] } };
}

/** One that passes on to a server what its rules allow, one rule after the other. No rules: everything. */
export function passingOn(port: number, to: { readonly address: string; readonly port: number }, rules: readonly HttpRuleText[]): object {
  const filters = rules.length === 0 ? [ROUTER] : [rbac(rules), ROUTER];
  const route = { match: { prefix: '/' }, route: { cluster: 'server' } };
  const endpoint = { address: { socket_address: { address: to.address, port_value: to.port } } };
  const cluster = {
    name: 'server',
    type: 'STATIC',
    load_assignment: { cluster_name: 'server', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
  return { static_resources: { listeners: [listener(port, filters, route)], clusters: [cluster] } };
}

function listener(port: number, filters: readonly object[], route: object): object {
  const manager = {
    '@type': `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'all',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: filters,
  };
  return {
    name: 'all',
    address: { socket_address: { address: '0.0.0.0', port_value: port } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
}

function rbac(rules: readonly HttpRuleText[]): object {
  const permissions = rules.map(({ method, path }) => ({
    and_rules: {
      rules: Object.entries({ ':method': method, ':path': path }).flatMap(([name, regex]) =>
        regex === undefined ? [] : [{ header: { name, string_match: { safe_regex: { regex } } } }],
      ),
    },
  }));
  const policies = { all: { permissions, principals: [{ any: true }] } };
  return {
    name: 'rules',
    typed_config: { '@type': `${TYPE}.extensions.filters.http.rbac.v3.RBAC`, rules: { action: 'ALLOW', policies } },
  };
}
