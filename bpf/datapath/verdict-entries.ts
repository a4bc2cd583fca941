import type { Codec } from 'libbpf-ts';
import {
  ANY,
  type Decision,
  type Direction,
  type DirectionPolicy,
  type Identity,
  IP_PROTOCOLS,
  type SubjectPolicy,
  type Verdict,
} from '../../model/index.ts';
import { decision as DECISIONS, direction as DIRECTIONS, type verdict, type verdict_key } from './gen/policy.ts';

export type VerdictKey = typeof verdict_key extends Codec<infer T> ? T : never;
export type VerdictValue = typeof verdict extends Codec<infer T> ? T : never;

/** A verdict as it is in a subject's trie. */
export interface VerdictEntry {
  readonly key: VerdictKey;
  /** As in `DECISIONS`. */
  readonly decision: number;
  /** The port that a slot has; 0 for all other decisions, and where it has none. */
  readonly slot: number;
}

/** The port of a slot's listener; 0 where it has none. */
export type PortOf = (slot: string) => number;

/** By a text that is the same for equal keys. */
export type VerdictEntries = ReadonlyMap<string, VerdictEntry>;

/** Peer and direction are always matched whole. */
const EXACT_BITS = 40;
const PROTOCOL_BITS = 8;
const PORT_BITS = 16;

/** As the kernel numbers them. */
export const DIRECTION_NUMBERS = { ingress: DIRECTIONS.INGRESS, egress: DIRECTIONS.EGRESS } as const satisfies Record<Direction, number>;

const DECISION_NUMBERS = {
  allow: DECISIONS.DECISION_ALLOW,
  slot: DECISIONS.DECISION_SLOT,
  deny: DECISIONS.DECISION_DENY,
} satisfies Record<Decision['kind'], number>;

export function encodeVerdicts(policy: SubjectPolicy, portOf: PortOf): VerdictEntries {
  return new Map(listEntries(policy, portOf).map((entry) => [nameKey(entry.key), entry]));
}

export function* listEntries({ ingress, egress }: SubjectPolicy, portOf: PortOf): Generator<VerdictEntry> {
  yield* entriesOf(DIRECTIONS.INGRESS, ingress, portOf);
  yield* entriesOf(DIRECTIONS.EGRESS, egress, portOf);
}

/** Names of the slots that a policy's verdicts lead to. */
export function slotsOf({ ingress, egress }: SubjectPolicy): readonly string[] {
  const all = [...ingress.verdicts, ...egress.verdicts];
  return [...new Set(all.flatMap(({ decision }) => (decision.kind === 'slot' ? [decision.slot] : [])))];
}

export function nameKey({ length, peer, direction, protocol, port }: VerdictKey): string {
  return `${direction}/${peer}/${protocol}/${port[0]}.${port[1]}/${length}`;
}

/** Whether any peer is meant rather than one. */
export function isOfAny({ key }: VerdictEntry): boolean {
  return key.peer === ANY;
}

export function isPermission({ decision }: VerdictEntry): boolean {
  return decision === DECISIONS.DECISION_ALLOW;
}

/** Whether two decide the same. */
export function decidesSame(a: Pick<VerdictEntry, 'decision' | 'slot'>, b: Pick<VerdictEntry, 'decision' | 'slot'>): boolean {
  return a.decision === b.decision && a.slot === b.slot;
}

export function encodeValue({ key, decision, slot }: VerdictEntry): VerdictValue {
  return { decided: 0n, slot, decision, length: key.length, pad: 0 };
}

/** A verdict as the kernel has it. */
export interface WrittenVerdict extends Omit<Verdict, 'decision' | 'sources'> {
  readonly direction: Direction;
  readonly decision: Decision['kind'];
  /** The port of the slot's listener; 0 where it has none, and of other decisions. */
  readonly slot: number;
  /** Connections that it decided. */
  readonly decided: bigint;
}

function decodeKey({ length, peer, direction, protocol, port }: VerdictKey): Omit<WrittenVerdict, 'decision' | 'slot' | 'decided'> {
  return {
    direction: direction === DIRECTIONS.INGRESS ? 'ingress' : 'egress',
    peer,
    protocol,
    port: ((port[0] ?? 0) << 8) | (port[1] ?? 0),
    portPrefixLength: Math.max(0, length - EXACT_BITS - PROTOCOL_BITS),
  };
}

/** What nobody has written is a denial, as the programs take it. */
function decodeDecision(decision: number): Decision['kind'] {
  if (decision === DECISIONS.DECISION_ALLOW) return 'allow';
  return decision === DECISIONS.DECISION_SLOT ? 'slot' : 'deny';
}

export function decodeVerdict(key: VerdictKey, { decision, slot, decided }: VerdictValue): WrittenVerdict {
  return { ...decodeKey(key), decision: decodeDecision(decision), slot, decided };
}

/** A connection of TCP that an identity opens, or that is opened to it. */
export interface OpenedConnection {
  readonly peer: Identity;
  /** Of whom it was opened to. */
  readonly port: number;
}

/** Under which a trie has what matches it best, of the peer and of any. */
export function keysOf(direction: Direction, { peer, port }: OpenedConnection): readonly [ofPeer: VerdictKey, ofAny: VerdictKey] {
  const key = {
    length: EXACT_BITS + PROTOCOL_BITS + PORT_BITS,
    direction: DIRECTION_NUMBERS[direction],
    protocol: IP_PROTOCOLS.TCP,
    port: Uint8Array.of(port >> 8, port & 0xff),
  };
  return [
    { ...key, peer },
    { ...key, peer: ANY },
  ];
}

/** Of the one for the peer and the one for any: the higher decision, then the longer match, then the peer's own. As in `bpf/programs/verdict.h`. */
export function prevailing(ofPeer: VerdictValue | undefined, ofAny: VerdictValue | undefined): VerdictValue | undefined {
  if (!ofPeer || !ofAny) return ofPeer ?? ofAny;
  if (ofPeer.decision !== ofAny.decision) return ofPeer.decision > ofAny.decision ? ofPeer : ofAny;
  return ofAny.length > ofPeer.length ? ofAny : ofPeer;
}

function* entriesOf(direction: number, { verdicts }: DirectionPolicy, portOf: PortOf): Generator<VerdictEntry> {
  for (const { peer, protocol, port, portPrefixLength, decision } of verdicts) {
    const length = EXACT_BITS + (protocol === ANY ? 0 : PROTOCOL_BITS + portPrefixLength);
    const key = { length, peer, direction, protocol, port: Uint8Array.of(port >> 8, port & 0xff) };
    yield { key, decision: DECISION_NUMBERS[decision.kind], slot: decision.kind === 'slot' ? portOf(decision.slot) : 0 };
  }
}
