import { type DescMessage, isMessage, type Message, type MessageShape } from '@bufbuild/protobuf';
import { Cluster_CustomClusterTypeSchema, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { EndpointSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  RouteAction_UpgradeConfigSchema,
  RouteSchema,
  VirtualHostSchema,
  WeightedCluster_ClusterWeightSchema,
} from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { FilterStateValueSchema } from '@sluice/envoy-protos/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js';
import { HttpConnectionManager_UpgradeConfigSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { CertificateValidationContextSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { below, type Path } from '../../messages/path.ts';
import type { PrivilegedUse } from '../privileged-use.ts';
import { usesOfValidation } from './certificate-validator.ts';
import { usesOfCluster, usesOfClusterType } from './cluster-type.ts';
import { usesOfEndpoint } from './endpoint-address.ts';
import { usesOfFilterNames } from './filter-names.ts';
import { usesOfFilterState } from './filter-state-key.ts';
import { ofValue } from './of-value.ts';
import { usesOfUpgrade } from './upgrade-type.ts';

type Look = (message: Message, path: Path) => readonly PrivilegedUse[];

const LOOKS: ReadonlyMap<string, Look> = new Map([
  look(CertificateValidationContextSchema, usesOfValidation),
  look(ClusterSchema, usesOfCluster),
  look(Cluster_CustomClusterTypeSchema, usesOfClusterType),
  look(EndpointSchema, usesOfEndpoint),
  look(FilterStateValueSchema, usesOfFilterState),
  look(HttpConnectionManager_UpgradeConfigSchema, usesOfUpgrade),
  look(ListenerSchema, usesOfListener),
  look(RouteAction_UpgradeConfigSchema, usesOfUpgrade),
  look(RouteConfigurationSchema, usesOfFilterNames),
  look(RouteSchema, usesOfFilterNames),
  look(VirtualHostSchema, usesOfFilterNames),
  look(WeightedCluster_ClusterWeightSchema, usesOfFilterNames),
]);

/** How values of a message's fields are looked at; undefined for those whose values do not matter. */
export function lookAt({ typeName }: DescMessage): Look | undefined {
  return LOOKS.get(typeName);
}

/** An internal listener has no port. */
function usesOfListener({ address }: Listener, path: Path): PrivilegedUse[] {
  if (address === undefined || address.address.case === 'envoyInternalAddress') return [];
  return [ofValue('envoy.config.listener.v3.Listener.address', below(path, 'address'))];
}

function look<D extends DescMessage>(schema: D, uses: (message: MessageShape<D>, path: Path) => readonly PrivilegedUse[]): [string, Look] {
  return [schema.typeName, (message, path) => (isMessage(message, schema) ? uses(message, path) : [])];
}
