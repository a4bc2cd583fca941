import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import type { NamedPod } from '../../model/index.ts';
import { ADDRESS_TYPE, type SnapshotCache } from '../../xds-server/serve/index.ts';

/**
 * The pod whose address it is, by what nodes are told of addresses. It is read when somebody asks: there are as many as pods in the cluster.
 * @param address in canonical form
 */
export function podAt(cache: Pick<SnapshotCache, 'get'>, address: string): NamedPod | undefined {
  const resource = cache.get({ typeUrl: ADDRESS_TYPE, name: `${address}/${address.includes(':') ? 128 : 32}` });
  return resource && readPod(resource.body);
}

function readPod(body: Uint8Array): NamedPod | undefined {
  try {
    const { pod } = fromBinary(AddressSchema, body);
    if (!pod) return undefined;
    const { namespace, name, workloadKind, workloadName } = pod;
    const workload = workloadKind === '' ? { kind: 'Pod', name } : { kind: workloadKind, name: workloadName };
    return { namespace, name, workload };
  } catch {
    return undefined;
  }
}
