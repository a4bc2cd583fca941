import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type DirectionPolicySchema,
  SubjectPolicySchema,
  Verdict_Decision,
  type VerdictSchema,
} from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import type { Decision, DirectionPolicy, FieldRef, SubjectPolicy, Verdict } from '../../../model/index.ts';
import type { Resource } from '../../serve/resource.ts';
import { encodeResource } from '../encode.ts';

const DECISIONS = {
  allow: Verdict_Decision.ALLOW,
  deny: Verdict_Decision.DENY,
  slot: Verdict_Decision.SLOT,
} satisfies Record<Decision['kind'], Verdict_Decision>;

/** Named by the identity. Rules are written once, however many verdicts they make. */
export function translateSubjectPolicy({ subject, ingress, egress }: SubjectPolicy): Resource {
  const sources = new SourceTable();
  const message = create(SubjectPolicySchema, {
    ingress: directionOf(ingress, sources),
    egress: directionOf(egress, sources),
    sources: sources.messages,
  });
  return encodeResource(SubjectPolicySchema, String(subject), message);
}

function directionOf({ defaultDeny, verdicts }: DirectionPolicy, sources: SourceTable): MessageInitShape<typeof DirectionPolicySchema> {
  return { defaultDeny, verdicts: verdicts.map((verdict) => verdictOf(verdict, sources)) };
}

function verdictOf(verdict: Verdict, sources: SourceTable): MessageInitShape<typeof VerdictSchema> {
  const { peer, protocol, port, portPrefixLength, decision } = verdict;
  return {
    peer,
    protocol,
    port,
    portPrefixLength,
    decision: DECISIONS[decision.kind],
    slot: decision.kind === 'slot' ? decision.slot : '',
    sources: verdict.sources.map((source) => sources.indexOf(source)),
  };
}

class SourceTable {
  readonly messages: { readonly kind: string; readonly namespace: string; readonly name: string; readonly path: string }[] = [];
  readonly #indices = new Map<string, number>();

  indexOf({ object: { kind, namespace, name }, path }: FieldRef): number {
    const message = { kind, namespace, name, path: JSON.stringify(path) };
    const key = JSON.stringify(message);
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    this.#indices.set(key, this.messages.length);
    return this.messages.push(message) - 1;
  }
}
