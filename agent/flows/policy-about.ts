import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { DirectionPolicySchema, SubjectPolicySchema, VerdictSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { ANY, type Direction, type DirectionPolicy, type Identity } from '../../model/index.ts';
import { decodeSubjectPolicy } from '../enforcement/decode.ts';

const POLICY = SubjectPolicySchema.field;
const VERDICTS = DirectionPolicySchema.field.verdicts.number;
const PEER = VerdictSchema.field.peer.number;

/**
 * What a policy says in one direction of one peer: its verdicts about that, and about any. A policy has thousands of others, of which nothing is made here.
 * @param body as nodes are told of it
 * @throws EnforcementError `malformed`
 */
export function policyAbout(body: Uint8Array, direction: Direction, peer: Identity): DirectionPolicy {
  const wanted = POLICY[direction].number;
  const isOther = (field: number) => (field === POLICY.ingress.number || field === POLICY.egress.number) && field !== wanted;
  const thinned = rewrite(body, (field, value) => {
    if (isOther(field)) return undefined;
    return field === wanted ? rewrite(value, (of, verdict) => (of !== VERDICTS || isAbout(verdict, peer) ? verdict : undefined)) : value;
  });
  return decodeSubjectPolicy('0', thinned)[direction];
}

/** A message with what is made of those of its fields that have a length; all others stay. */
function rewrite(message: Uint8Array, fieldOf: (field: number, value: Uint8Array) => Uint8Array | undefined): Uint8Array {
  const reader = new BinaryReader(message);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) {
      const value = fieldOf(field, reader.bytes());
      if (value) writer.tag(field, type).bytes(value);
    } else writer.tag(field, type).raw(reader.skip(type, field));
  }
  return writer.finish();
}

function isAbout(verdict: Uint8Array, peer: Identity): boolean {
  const reader = new BinaryReader(verdict);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === PEER) {
      const about = reader.uint32();
      return about === peer || about === ANY;
    }
    reader.skip(type, field);
  }
  // It is left out where it is 0.
  return true;
}
