import { fromBinary } from '@bufbuild/protobuf';
import { SubjectPolicySchema, Verdict_Decision } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { ANY, type Identity, IP_PROTOCOLS } from '../../model/index.ts';
import type { Resource } from '../../xds-server/serve/index.ts';

/** That rules of layer 7 decide of what an identity sends: to whom, and to which ports. */
export interface SlotVerdict {
  readonly slot: string;
  readonly isFor: (peer: Identity, port: number) => boolean;
}

const read = new WeakMap<Resource, readonly SlotVerdict[]>();

/** Those of a policy, as nodes are told of it, for TCP; another verdict may be stronger. None where this version cannot read it. */
export function slotVerdicts(policy: Resource): readonly SlotVerdict[] {
  const known = read.get(policy) ?? decode(policy);
  read.set(policy, known);
  return known;
}

function decode({ body }: Resource): readonly SlotVerdict[] {
  try {
    const verdicts = fromBinary(SubjectPolicySchema, body).egress?.verdicts ?? [];
    return verdicts
      .filter(({ decision, protocol }) => decision === Verdict_Decision.SLOT && (protocol === ANY || protocol === IP_PROTOCOLS.TCP))
      .map(({ slot, peer, port, portPrefixLength }) => {
        const shift = 16 - portPrefixLength;
        return { slot, isFor: (who, at) => (peer === ANY || peer === who) && at >>> shift === port >>> shift };
      });
  } catch {
    return [];
  }
}
