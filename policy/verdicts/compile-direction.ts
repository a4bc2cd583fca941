import { equal } from '../../collection/index.ts';
import type { NamedPort } from '../../kube/index.ts';
import {
  ANY,
  type Direction,
  type DirectionPolicy,
  type FieldRef,
  type Identity,
  IP_PROTOCOLS,
  RESERVED_IDENTITIES,
  type Verdict,
} from '../../model/index.ts';
import type { PolicyUnit, PortMatch, PortName, PortRange, Rule } from '../rules/rule.ts';
import { portPrefixes } from './port-prefixes.ts';
import { type Clause, draftSlot, type SlotDraft } from './slot-draft.ts';
import { ALL_PORTS, type Entry, type MakeSlot, type PortKey, VerdictTable } from './verdict-table.ts';

/** Whether those whom no policy selects are isolated, and whether anybody is. Cilium's `policy-enforcement-mode`. */
export type EnforcementMode = 'default' | 'always' | 'never';

/** What holds for the pods of one identity, or of all that the same policies select. */
export interface DirectionInput {
  readonly direction: Direction;
  readonly mode: EnforcementMode;
  /** All that select the subject, in order of their keys. */
  readonly units: readonly PolicyUnit[];
  /** Whether nothing is known of the subject's labels. */
  readonly isInit: boolean;
  /** Of the subject: names in rules for what comes in are its. */
  readonly ports: readonly NamedPort[];
}

/** Whom rules mean. */
export interface PeerLookup {
  /** Those that a rule's peers have among them, each once. */
  peersOf(rule: Rule): Iterable<Identity>;
  isPeer(rule: Rule, identity: Identity): boolean;
  /** Those that have a port of this name. */
  withPort(name: string): Iterable<Identity>;
  portsOf(peer: Identity): readonly NamedPort[];
}

/** Where a verdict comes from that no policy asks for. */
export const OWN_NODE: FieldRef = { object: { kind: 'Node', namespace: '', name: '' }, path: [] };

const OF_OWN_NODE: Contribution = { id: 0, keys: [ALL_PORTS], names: [], action: 'allow', clause: undefined, source: OWN_NODE };
const ALLOW_ALL: CompiledDirection = { policy: { defaultDeny: false, verdicts: [] }, slots: new Map() };

/** What holds in a direction, and the slots that its verdicts name. */
export interface CompiledDirection {
  readonly policy: DirectionPolicy;
  readonly slots: ReadonlyMap<string, SlotDraft>;
}

/** What one rule decides of some ports. */
interface Contribution {
  readonly id: number;
  readonly keys: readonly PortKey[];
  /** Of the peer's ports. */
  readonly names: readonly PortName[];
  readonly action: Rule['action'];
  /** What it asks for of what it allows. */
  readonly clause: Clause | undefined;
  readonly source: FieldRef;
}

/** What holds in one direction for whom these policies select. */
export function compileDirection(input: DirectionInput, lookup: PeerLookup): CompiledDirection {
  if (input.mode === 'never') return ALLOW_ALL;
  const { defaultDeny, rules, reachesHost } = frameOf(input);
  const contributions = new Map<Identity, Contribution[]>();
  for (const rule of rules) {
    if (rule.ofAny) addTo(contributions, ANY, rule.ofAny);
    for (const peer of peersOf(rule, lookup)) addTo(contributions, peer, rule.ofPeers);
  }
  // The last in the order of sources.
  if (reachesHost) addTo(contributions, RESERVED_IDENTITIES.host, OF_OWN_NODE);
  const slots = new Map<string, SlotDraft>();
  const decide = decider(contributions.get(ANY) ?? [], { defaultDeny, lookup, makeSlot: slotMaker(input.direction, slots) });
  const peers = [...contributions.keys()].sort((a, b) => a - b);
  const verdicts = peers.flatMap((peer) => decide(peer, contributions.get(peer) ?? []));
  return { policy: { defaultDeny, verdicts }, slots: slotsIn(verdicts, slots) };
}

/** Slots are made to be compared, too, and many of these no verdict has. */
function slotsIn(verdicts: readonly Verdict[], made: ReadonlyMap<string, SlotDraft>): ReadonlyMap<string, SlotDraft> {
  if (made.size === 0) return made;
  const names = new Set(verdicts.flatMap(({ decision }) => (decision.kind === 'slot' ? decision.slot : [])));
  return new Map([...made].filter(([name]) => names.has(name)));
}

function slotMaker(direction: Direction, made: Map<string, SlotDraft>): MakeSlot {
  return (clauses, allowsAll) => {
    const draft = draftSlot(direction, clauses, allowsAll);
    made.set(draft.name, draft);
    return draft.name;
  };
}

/**
 * The same where nothing has changed but some peers: whether rules mean them, and what ports they have.
 * @returns `before` itself where nothing follows from that
 */
export function patchDirection(
  before: CompiledDirection,
  peers: Iterable<Identity>,
  input: DirectionInput,
  lookup: PeerLookup,
): CompiledDirection {
  if (input.mode === 'never') return before;
  const { defaultDeny, rules, reachesHost } = frameOf(input);
  const { verdicts: old } = before.policy;
  const slots = new Map(before.slots);
  const ofAny = rules.flatMap((rule) => rule.ofAny ?? []);
  const decide = decider(ofAny, { defaultDeny, lookup, makeSlot: slotMaker(input.direction, slots) });
  const pieces: (readonly Verdict[])[] = [];
  let copied = 0;
  let isChanged = false;
  for (const peer of [...peers].sort((a, b) => a - b)) {
    const meant = rules.filter((rule) => means(rule, peer, lookup)).map(({ ofPeers }) => ofPeers);
    const now = decide(peer, reachesHost && peer === RESERVED_IDENTITIES.host ? [...meant, OF_OWN_NODE] : meant);
    const first = firstOf(old, peer);
    const next = firstOf(old, peer + 1);
    if (equal(old.slice(first, next), now)) continue;
    isChanged = true;
    pieces.push(old.slice(copied, first), now);
    copied = next;
  }
  if (!isChanged) return before;
  const none: Verdict[] = [];
  const verdicts = none.concat(...pieces, old.slice(copied));
  return { policy: { defaultDeny, verdicts }, slots: slotsIn(verdicts, slots) };
}

/** Where the verdicts for a peer begin, or would. */
function firstOf(verdicts: readonly Verdict[], peer: Identity): number {
  let low = 0;
  let high = verdicts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((verdicts[middle]?.peer ?? peer) < peer) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A rule with what it decides, of any peer and of those that it means. */
interface FramedRule {
  readonly rule: Rule;
  readonly ofAny: Contribution | undefined;
  readonly ofPeers: Contribution;
}

/** All that does not depend on peers. */
interface Frame {
  readonly defaultDeny: boolean;
  readonly reachesHost: boolean;
  readonly rules: readonly FramedRule[];
}

function frameOf(input: DirectionInput): Frame {
  const { direction, mode, units } = input;
  const isolating = units.filter((unit) => unit[direction].isolates);
  const closed = units.some((unit) => unit[direction].closed);
  const defaultDeny = mode === 'always' || input.isInit || closed || isolating.length > 0;
  const rules = closed
    ? []
    : units.flatMap((unit) => unit[direction].rules.map((rule) => ({ rule, clause: clauseOf(rule, unit[direction].isolates) })));
  return {
    defaultDeny,
    reachesHost: defaultDeny && reachesOwnNode(input, isolating, closed),
    rules: rules.map(({ rule, clause }, index) => frameRule(rule, clause, index + 1, input)),
  };
}

/** What a policy that does not isolate asks for on layer 7, it does not insist on. */
function clauseOf({ layer7, source }: Rule, isolates: boolean): Clause | undefined {
  return layer7 && { key: layer7.clause, rules: layer7.rules, source, allowsAll: !isolates };
}

/** Names of ports mean something of a certain peer only. */
function frameRule(rule: Rule, clause: Clause | undefined, id: number, input: DirectionInput): FramedRule {
  const { keys, names } = portsOf(rule, input);
  const contribution = { id, keys, names, action: rule.action, clause, source: rule.source };
  if (rule.peers !== 'any') return { rule, ofAny: undefined, ofPeers: contribution };
  return { rule, ofAny: keys.length > 0 ? { ...contribution, names: [] } : undefined, ofPeers: { ...contribution, keys: [] } };
}

function peersOf({ rule, ofPeers }: FramedRule, lookup: PeerLookup): Iterable<Identity> {
  return rule.peers === 'any' ? new Set(ofPeers.names.flatMap(({ name }) => [...lookup.withPort(name)])) : lookup.peersOf(rule);
}

function means({ rule, ofPeers }: FramedRule, peer: Identity, lookup: PeerLookup): boolean {
  if (rule.peers !== 'any') return lookup.isPeer(rule, peer);
  return lookup.portsOf(peer).some((port) => ofPeers.names.some(({ name }) => name === port.name));
}

type Decide = (peer: Identity, meant: readonly Contribution[]) => readonly Verdict[];

interface DecideContext {
  readonly defaultDeny: boolean;
  readonly lookup: PeerLookup;
  readonly makeSlot: MakeSlot;
}

/** Many peers are meant by the same rules, for which it is decided once. */
function decider(ofAny: readonly Contribution[], { defaultDeny, lookup, makeSlot }: DecideContext): Decide {
  const any = tableOf(ofAny, []);
  const entriesOfAny = any.decisive(undefined, defaultDeny, makeSlot);
  const decided = new Map<string, readonly Entry[]>();
  return (peer, meant) => {
    if (peer === ANY) return entriesOfAny.map((entry) => verdictOf(peer, entry));
    const ports = meant.some(({ names }) => names.length > 0) ? lookup.portsOf(peer) : [];
    const key = `${meant.map(({ id }) => id).join()} ${ports.length > 0 ? JSON.stringify(ports) : ''}`;
    const entries = decided.get(key) ?? tableOf(meant, ports).decisive(any, defaultDeny, makeSlot);
    decided.set(key, entries);
    return entries.map((entry) => verdictOf(peer, entry));
  };
}

function tableOf(contributions: readonly Contribution[], ports: readonly NamedPort[]): VerdictTable {
  const table = new VerdictTable();
  for (const { keys, names, action, clause, source } of contributions) {
    for (const key of [...keys, ...names.flatMap((name) => resolveName(name, ports))]) {
      if (clause) table.ask(key, clause);
      else table.add(key, action, source);
    }
  }
  return table;
}

function verdictOf(peer: Identity, { key, decision, sources }: Entry): Verdict {
  return { peer, protocol: key.protocol, port: key.port, portPrefixLength: key.length, decision, sources };
}

/**
 * What the node sends always arrives, so that it can probe; a denial that means it wins all the same. What is sent to the node passes
 * where nothing but NetworkPolicies isolate.
 * @see https://kubernetes.io/docs/concepts/services-networking/network-policies/#the-two-sorts-of-pod-isolation
 */
function reachesOwnNode({ direction, mode, isInit }: DirectionInput, isolating: readonly PolicyUnit[], closed: boolean): boolean {
  if (direction === 'ingress') return true;
  return mode === 'default' && !isInit && !closed && isolating.every(({ object }) => object.kind === 'NetworkPolicy');
}

function addTo(contributions: Map<Identity, Contribution[]>, peer: Identity, contribution: Contribution): void {
  const others = contributions.get(peer);
  if (others) others.push(contribution);
  else contributions.set(peer, [contribution]);
}

/** Names are resolved at the receiving end: the subject's where something comes in, each peer's own where something goes out. */
function portsOf(rule: Rule, { direction, ports }: DirectionInput): { keys: readonly PortKey[]; names: readonly PortName[] } {
  if (rule.ports === 'any') return { keys: [ALL_PORTS], names: [] };
  const names = rule.ports.filter((port) => port.kind === 'name');
  const keys = keysOf(rule.ports);
  if (direction === 'egress') return { keys, names };
  return { keys: [...keys, ...names.flatMap((name) => resolveName(name, ports))], names: [] };
}

const KEYS = new WeakMap<readonly PortMatch[], readonly PortKey[]>();

/** Ranges of a rule, as they are looked up. */
function keysOf(ports: readonly PortMatch[]): readonly PortKey[] {
  const known = KEYS.get(ports);
  if (known) return known;
  const keys = ports.flatMap((port) => (port.kind === 'range' ? keysOfRange(port) : []));
  KEYS.set(ports, keys);
  return keys;
}

function keysOfRange({ protocol, first, last }: PortRange): PortKey[] {
  return portPrefixes(first, last).map((prefix) => ({ protocol, ...prefix }));
}

function resolveName({ name, protocols }: PortName, ports: readonly NamedPort[]): PortKey[] {
  return ports.flatMap((port) => {
    const protocol = IP_PROTOCOLS[port.protocol];
    return port.name === name && protocols.includes(protocol) ? [{ protocol, port: port.number, length: 16 }] : [];
  });
}
