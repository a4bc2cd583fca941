import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { AddressSchema } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { EnvoyConfig } from '../../envoy-config/index.ts';
import type { FieldRef } from '../../model/index.ts';
import { contentVersion } from '../../xds-server/serve/resource.ts';
import { anyOf, typeUrlOf } from '../../xds-server/translate/encode.ts';
import { CLUSTER, LISTENER, ROUTES, SECRET } from '../../xds-server/translate/types.ts';

/** One resource as it is put into a bootstrap that an Envoy tries. */
export interface Unit {
  readonly typeUrl: string;
  readonly name: string;
  /** Where two have the same, the outcome is the same. */
  readonly version: string;
  readonly source: FieldRef;
  readonly body: Uint8Array;
}

/** What others of a config name comes before them. Endpoints are not tried: no factory reads them. */
const ORDER: readonly string[] = [SECRET, CLUSTER, LISTENER, ROUTES];

/** What of a config an Envoy has an opinion on, such that all that come before one can be tried without it. */
export function unitsOf({ resources, listeners }: EnvoyConfig): readonly Unit[] {
  const own = resources.map(({ resource: { typeUrl, name, version, body }, source }) => ({ typeUrl, name, version, body, source }));
  const led = listeners.map(({ name, body, source }) => ({ typeUrl: LISTENER, name, version: contentVersion(body), body, source }));
  const tried = [...own, ...led].filter(({ typeUrl }) => ORDER.includes(typeUrl));
  return tried.sort((a, b) => ORDER.indexOf(a.typeUrl) - ORDER.indexOf(b.typeUrl));
}

const FIRST_PORT = 10_000;
/** Fields of a bootstrap's `static_resources`, and this itself. */
const STATIC_RESOURCES = 2;
const FIELDS: ReadonlyMap<string, number> = new Map([
  [LISTENER, 1],
  [CLUSTER, 2],
  [SECRET, 3],
  [ROUTES, 1],
]);

/**
 * A bootstrap that has units in it, as bytes for a file whose name ends in `.pb`. What comes by discovery is left to that, as no Envoy asks for
 * anything while it only looks at its bootstrap; so routes have a listener of their own, and listeners a port that no other has.
 * @param base an encoded bootstrap, as Envoys of nodes have it
 */
export function bootstrapOf(base: Uint8Array, units: readonly Unit[]): Uint8Array {
  const resources = new BinaryWriter();
  for (const [index, { typeUrl, name, body }] of units.entries()) {
    const field = FIELDS.get(typeUrl);
    if (field === undefined) continue;
    const port = FIRST_PORT + index;
    resources.tag(field, WireType.LengthDelimited).bytes(asStatic(typeUrl, name, body, port));
  }
  return new BinaryWriter().raw(base).tag(STATIC_RESOURCES, WireType.LengthDelimited).bytes(resources.finish()).finish();
}

function asStatic(typeUrl: string, name: string, body: Uint8Array, port: number): Uint8Array {
  if (typeUrl === LISTENER) return listenerAt(fromBinary(ListenerSchema, body), name, port);
  if (typeUrl === ROUTES) return listenerAt(listenerOf(body), `${name} on trial`, port);
  return body;
}

function listenerAt(listener: Listener, name: string, port: number): Uint8Array {
  listener.name = name;
  if (listener.listenerSpecifier.case === 'internalListener') return toBinary(ListenerSchema, listener);
  listener.address ??= create(AddressSchema, { address: { case: 'socketAddress', value: { address: '127.0.0.1' } } });
  const { address } = listener.address;
  if (address.case === 'socketAddress') address.value.portSpecifier = { case: 'portValue', value: port };
  // Where it listens besides is not Envoy's to judge before it does, and ports of several would meet.
  listener.additionalAddresses = [];
  return toBinary(ListenerSchema, listener);
}

/** The field `route_config` of a connection manager. */
const ROUTE_CONFIG = 4;

function listenerOf(routes: Uint8Array): Listener {
  const manager = toBinary(
    HttpConnectionManagerSchema,
    create(HttpConnectionManagerSchema, {
      statPrefix: 'trial',
      httpFilters: [{ name: 'router', configType: { case: 'typedConfig', value: anyOf(RouterSchema, {}) } }],
    }),
  );
  // Routes of nodes come by discovery, where clusters are not looked for; what routes say themselves comes after this, and counts.
  const lenient = toBinary(RouteConfigurationSchema, create(RouteConfigurationSchema, { validateClusters: false }));
  const routeConfig = new BinaryWriter().raw(lenient).raw(routes).finish();
  const value = new BinaryWriter().raw(manager).tag(ROUTE_CONFIG, WireType.LengthDelimited).bytes(routeConfig).finish();
  const typedConfig = { typeUrl: typeUrlOf(HttpConnectionManagerSchema), value };
  const filter = create(FilterSchema, { name: 'http', configType: { case: 'typedConfig', value: typedConfig } });
  return create(ListenerSchema, { filterChains: [{ filters: [filter] }] });
}
