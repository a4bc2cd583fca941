import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  AddressSchema,
  Slot_Direction,
  SlotSchema,
  SubjectPolicySchema,
  Verdict_Decision,
} from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { EndpointSliceSchema, ServiceSchema } from '@sluice/envoy-protos/sluice/node/v1/services_pb.js';
import {
  ADDRESS_TYPE,
  ENDPOINT_SLICE_TYPE,
  EXTENSION_CONFIG_TYPE,
  type Resource,
  SERVICE_TYPE,
  SLOT_TYPE,
  SUBJECT_POLICY_TYPE,
} from '../xds-server/serve/index.ts';

export const [LISTENER, RULES] = ['service/shop', 'http/egress/a'];
/** The pod that serves the Service. */
export const WEB = 1001;
const TCP = 6;

let versions = 0;
export function resource<D extends DescMessage>(typeUrl: string, name: string, schema: D, message: MessageInitShape<D>): Resource {
  versions += 1;
  return { typeUrl, name, version: String(versions), body: toBinary(schema, create(schema, message)), requires: [] };
}

const MANAGER = anyPack(HttpConnectionManagerSchema, create(HttpConnectionManagerSchema, { httpFilters: [{ name: 'router' }] }));
export const HTTP = toBinary(
  ListenerSchema,
  create(ListenerSchema, { filterChains: [{ filters: [{ name: 'manager', configType: { case: 'typedConfig', value: MANAGER } }] }] }),
);
export const RAW = toBinary(ListenerSchema, create(ListenerSchema, { filterChains: [{ filters: [{ name: 'proxy' }] }] }));

export function listenerSlot({ asksClients = true, asksOnce = false, listener = HTTP } = {}): Resource {
  return resource(SLOT_TYPE, LISTENER, SlotSchema, { direction: Slot_Direction.SERVICE, listener, asksClients, asksOnce });
}

export function ruleSlot(name: string, asked: Uint8Array = HTTP, asksOnce = false): Resource {
  const requires = [{ typeUrl: EXTENSION_CONFIG_TYPE, name }];
  return resource(SLOT_TYPE, name, SlotSchema, { direction: Slot_Direction.EGRESS, listener: HTTP, requires, asked, asksOnce });
}

export function policy(slot: string, { peer = WEB, port = 8080, portPrefixLength = 16, protocol = TCP } = {}): Resource {
  const verdicts = [{ peer, protocol, port, portPrefixLength, decision: Verdict_Decision.SLOT, slot }];
  return resource(SUBJECT_POLICY_TYPE, '1000', SubjectPolicySchema, { egress: { defaultDeny: true, verdicts } });
}

export const SERVICE = resource(SERVICE_TYPE, 'default/shop', ServiceSchema, {
  clusterIps: ['10.96.0.7'],
  ports: [
    { name: 'http', protocol: TCP, port: 80, listener: LISTENER },
    { name: 'admin', protocol: TCP, port: 81 },
  ],
});
export const SLICE = resource(ENDPOINT_SLICE_TYPE, 'default/shop-1', EndpointSliceSchema, {
  service: 'shop',
  ports: [
    { name: 'http', protocol: TCP, port: 8080 },
    { name: 'admin', protocol: TCP, port: 9090 },
  ],
  endpoints: [{ address: '10.0.0.7', ready: true, serving: true }],
});
export const addressOf = (identity: number) => resource(ADDRESS_TYPE, '10.0.0.7/32', AddressSchema, { identity });
