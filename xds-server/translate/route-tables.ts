import { hash } from 'node:crypto';
import type {
  RdsSchema,
  ScopedRoutes_ScopeKeyBuilder_FragmentBuilderSchema,
  ScopedRoutesSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { FROM_ADS, type Init } from './messages.ts';

/** How many route configurations a large table is divided into. */
const SHARDS = 128;

/**
 * All scopes reach all listeners, so the tables must not share keys: each has keys of a length of its own, which hold the
 * host that many times. Tables that are not named here cannot be divided.
 */
const KEY_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['listener-insecure', 1],
  ['listener-secure', 2],
]);

export function isDivisible(table: string): boolean {
  return KEY_LENGTHS.has(table);
}

/** The route configuration that a host without a wildcard stands in when its table is divided. */
export function shardOf(table: string, host: string): string {
  const shard = Number.parseInt(hash('sha1', host).slice(0, 6), 16) % SHARDS;
  return `${table}/${String(shard).padStart(3, '0')}`;
}

/** The route configuration of a divided table's wildcard hosts. */
export function fallbackOf(table: string): string {
  return `${table}/wildcards`;
}

export function scopeKeyOf(table: string, host: string): readonly string[] {
  return new Array<string>(KEY_LENGTHS.get(table) ?? 0).fill(host);
}

/** A table that is one route configuration, of the same name. */
export function wholeRoutes(table: string): Init<typeof RdsSchema> {
  return { routeConfigName: table, configSource: FROM_ADS };
}

/**
 * A divided table: the part of `:authority` before the port is the key of a scope, which names the route configuration.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/rds#scoped-rds
 */
export function dividedRoutes(table: string): Init<typeof ScopedRoutesSchema> {
  const host: Init<typeof ScopedRoutes_ScopeKeyBuilder_FragmentBuilderSchema> = {
    type: {
      case: 'headerValueExtractor',
      value: { name: ':authority', elementSeparator: ':', extractType: { case: 'index', value: 0 } },
    },
  };
  return {
    name: table,
    scopeKeyBuilder: { fragments: scopeKeyOf(table, '').map(() => host) },
    rdsConfigSource: FROM_ADS,
    configSpecifier: { case: 'scopedRds', value: { scopedRdsConfigSource: FROM_ADS } },
  };
}
