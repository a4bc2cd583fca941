import { create, toBinary } from '@bufbuild/protobuf';
import {
  DirectionPolicySchema,
  SourceSchema,
  SubjectPolicySchema,
  Verdict_Decision,
  VerdictSchema,
} from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import type { Decision, DirectionPolicy, FieldRef, SubjectPolicy, Verdict } from '../../../model/index.ts';
import type { Resource, ResourceName } from '../../serve/resource.ts';
import { SLOT_TYPE } from '../../serve/types.ts';
import { resourceOf } from '../encode.ts';
import { WireWriter } from './wire-writer.ts';

const DECISIONS = {
  allow: Verdict_Decision.ALLOW,
  deny: Verdict_Decision.DENY,
  slot: Verdict_Decision.SLOT,
} satisfies Record<Decision['kind'], Verdict_Decision>;

const FIELDS = {
  subject: numbersOf(SubjectPolicySchema.field),
  direction: numbersOf(DirectionPolicySchema.field),
  verdict: numbersOf(VerdictSchema.field),
};

const TEXT = new TextEncoder();
const [policyWriter, directionWriter, verdictWriter] = [new WireWriter(), new WireWriter(), new WireWriter()];

/**
 * Named by the identity; requires the slots that it names. Rules are written once, however many verdicts they make. One more identity changes the policies of all subjects
 * that may talk to it, which have a verdict for each peer: that is why their bytes are written directly.
 */
export function translateSubjectPolicy({ subject, ingress, egress, audits }: SubjectPolicy): Resource {
  const sources = new SourceTable();
  policyWriter.clear();
  policyWriter.delimited(FIELDS.subject.ingress, encodeDirection(ingress, sources));
  policyWriter.delimited(FIELDS.subject.egress, encodeDirection(egress, sources));
  for (const source of sources.messages) policyWriter.delimited(FIELDS.subject.sources, source);
  policyWriter.uint32(FIELDS.subject.audits, Number(audits ?? false));
  return resourceOf(SubjectPolicySchema, String(subject), policyWriter.bytes.slice(), slotsOf(ingress, egress));
}

function slotsOf(...directions: readonly DirectionPolicy[]): readonly ResourceName[] {
  const names = new Set<string>();
  for (const { verdicts } of directions) for (const { decision } of verdicts) if (decision.kind === 'slot') names.add(decision.slot);
  return [...names].map((name) => ({ typeUrl: SLOT_TYPE, name }));
}

function encodeDirection({ defaultDeny, verdicts }: DirectionPolicy, sources: SourceTable): Uint8Array {
  directionWriter.clear();
  directionWriter.uint32(FIELDS.direction.defaultDeny, Number(defaultDeny));
  for (const verdict of verdicts) directionWriter.delimited(FIELDS.direction.verdicts, encodeVerdict(verdict, sources));
  return directionWriter.bytes;
}

function encodeVerdict({ peer, protocol, port, portPrefixLength, decision, sources }: Verdict, table: SourceTable): Uint8Array {
  verdictWriter.clear();
  verdictWriter.uint32(FIELDS.verdict.peer, peer);
  verdictWriter.uint32(FIELDS.verdict.protocol, protocol);
  verdictWriter.uint32(FIELDS.verdict.port, port);
  verdictWriter.uint32(FIELDS.verdict.portPrefixLength, portPrefixLength);
  verdictWriter.uint32(FIELDS.verdict.decision, DECISIONS[decision.kind]);
  if (decision.kind === 'slot' && decision.slot !== '') verdictWriter.delimited(FIELDS.verdict.slot, TEXT.encode(decision.slot));
  verdictWriter.packed(FIELDS.verdict.sources, table.indicesOf(sources));
  return verdictWriter.bytes;
}

/** Rules, each encoded once. */
class SourceTable {
  readonly messages: Uint8Array[] = [];
  readonly #indices = new Map<string, number>();
  /** Most verdicts of a rule have the very same sources. */
  readonly #seen = new Map<readonly FieldRef[], readonly number[]>();

  indicesOf(sources: readonly FieldRef[]): readonly number[] {
    const seen = this.#seen.get(sources);
    if (seen) return seen;
    const indices = sources.map((source) => this.#indexOf(source));
    this.#seen.set(sources, indices);
    return indices;
  }

  #indexOf({ object: { kind, namespace, name }, path }: FieldRef): number {
    const message = { kind, namespace, name, path: JSON.stringify(path) };
    const key = JSON.stringify(message);
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    this.#indices.set(key, this.messages.length);
    return this.messages.push(toBinary(SourceSchema, create(SourceSchema, message))) - 1;
  }
}

function numbersOf<K extends string>(fields: Readonly<Record<K, { readonly number: number }>>): Readonly<Record<K, number>> {
  const numbers = Object.entries<{ readonly number: number }>(fields).map(([name, { number }]) => [name, number]);
  return Object.fromEntries(numbers);
}
