import { isMessage, type Message } from '@bufbuild/protobuf';
import { Cluster_MaglevLbConfigSchema, Cluster_RingHashLbConfigSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { MaglevSchema } from '@sluice/envoy-protos/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js';
import { RingHashSchema } from '@sluice/envoy-protos/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js';

/** A problem with one field of a message, as JSON has it. */
export interface LoadBalancingProblem {
  readonly field: string;
  readonly problem: string;
}

const DEFAULT_MINIMUM = 1024n;
const DEFAULT_MAXIMUM = 8_388_608n;
const DEFAULT_TABLE = 65_537n;
const LARGEST_TABLE = 5_000_011n;

/**
 * What no constraint says and Envoy only notices when a cluster is half made. It refuses the cluster then, but goes on waiting for the half that it
 * has, and takes no cluster of anybody any more: so it must never see one.
 */
export function loadBalancingProblem(message: Message): LoadBalancingProblem | undefined {
  if (isMessage(message, Cluster_RingHashLbConfigSchema) || isMessage(message, RingHashSchema)) {
    const { minimumRingSize = DEFAULT_MINIMUM, maximumRingSize = DEFAULT_MAXIMUM } = message;
    if (minimumRingSize <= maximumRingSize) return undefined;
    return { field: 'maximumRingSize', problem: `must be at least minimumRingSize, which is ${minimumRingSize}` };
  }
  if (!isMessage(message, Cluster_MaglevLbConfigSchema) && !isMessage(message, MaglevSchema)) return undefined;
  return isPrime(message.tableSize ?? DEFAULT_TABLE) ? undefined : { field: 'tableSize', problem: 'must be a prime number' };
}

/** What is larger than constraints allow is told by them. */
function isPrime(number: bigint): boolean {
  if (number > LARGEST_TABLE) return true;
  const candidate = Number(number);
  if (candidate < 2) return false;
  for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) if (candidate % divisor === 0) return false;
  return true;
}
