import type { NamedPort } from '../../kube/index.ts';
import {
  ANY,
  type Decision,
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
import { ALL_PORTS, type Entry, type PortKey, VerdictTable } from './verdict-table.ts';

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
  /** Those that have a port of this name. */
  withPort(name: string): Iterable<Identity>;
  portsOf(peer: Identity): readonly NamedPort[];
}

/** Where a verdict comes from that no policy asks for. */
export const OWN_NODE: FieldRef = { object: { kind: 'Node', namespace: '', name: '' }, path: [] };

const ALLOW: Decision = { kind: 'allow' };
const DENY: Decision = { kind: 'deny' };
const OF_OWN_NODE: Contribution = { id: 0, keys: [ALL_PORTS], names: [], decision: ALLOW, source: OWN_NODE };
const ALLOW_ALL: DirectionPolicy = { defaultDeny: false, verdicts: [] };

/** What one rule decides of some ports. */
interface Contribution {
  readonly id: number;
  readonly keys: readonly PortKey[];
  /** Of the peer's ports. */
  readonly names: readonly PortName[];
  readonly decision: Decision;
  readonly source: FieldRef;
}

/** What holds in one direction for whom these policies select. */
export function compileDirection(input: DirectionInput, lookup: PeerLookup): DirectionPolicy {
  const { direction, mode, units } = input;
  if (mode === 'never') return ALLOW_ALL;
  const isolating = units.filter((unit) => unit[direction].isolates);
  const closed = units.some((unit) => unit[direction].closed);
  const defaultDeny = mode === 'always' || input.isInit || closed || isolating.length > 0;
  const contributions = new Map<Identity, Contribution[]>();
  const rules = closed ? [] : units.flatMap((unit) => unit[direction].rules);
  for (const [index, rule] of rules.entries()) contribute(rule, index + 1, input, lookup, contributions);
  // The last in the order of sources.
  if (defaultDeny && reachesOwnNode(input, isolating, closed)) addTo(contributions, RESERVED_IDENTITIES.host, OF_OWN_NODE);
  return { defaultDeny, verdicts: decide(contributions, defaultDeny, lookup) };
}

/** Many peers are meant by the same rules, for which it is decided once. */
function decide(contributions: ReadonlyMap<Identity, readonly Contribution[]>, defaultDeny: boolean, lookup: PeerLookup): Verdict[] {
  const any = tableOf(contributions.get(ANY) ?? [], []);
  const decided = new Map<string, readonly Entry[]>();
  const verdicts: Verdict[] = [];
  for (const peer of [...contributions.keys()].sort((a, b) => a - b)) {
    const meant = contributions.get(peer) ?? [];
    const ports = meant.some(({ names }) => names.length > 0) ? lookup.portsOf(peer) : [];
    const key = peer === ANY ? 'any' : `${meant.map(({ id }) => id).join()} ${ports.length > 0 ? JSON.stringify(ports) : ''}`;
    const entries = decided.get(key) ?? tableOf(meant, ports).decisive(peer === ANY ? undefined : any, defaultDeny);
    decided.set(key, entries);
    for (const entry of entries) verdicts.push(verdictOf(peer, entry));
  }
  return verdicts;
}

function tableOf(contributions: readonly Contribution[], ports: readonly NamedPort[]): VerdictTable {
  const table = new VerdictTable();
  for (const { keys, names, decision, source } of contributions) {
    for (const key of keys) table.add(key, decision, source);
    for (const name of names) for (const key of resolveName(name, ports)) table.add(key, decision, source);
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

function contribute(rule: Rule, id: number, input: DirectionInput, lookup: PeerLookup, contributions: Map<Identity, Contribution[]>): void {
  const { keys, names } = portsOf(rule, input);
  const contribution = { id, keys, names, decision: rule.action === 'allow' ? ALLOW : DENY, source: rule.source };
  if (rule.peers !== 'any') {
    for (const peer of lookup.peersOf(rule)) addTo(contributions, peer, contribution);
    return;
  }
  if (keys.length > 0) addTo(contributions, ANY, { ...contribution, names: [] });
  const ofNames = { ...contribution, keys: [] };
  const named = new Set(names.flatMap(({ name }) => [...lookup.withPort(name)]));
  for (const peer of named) addTo(contributions, peer, ofNames);
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
