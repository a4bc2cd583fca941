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
} from '../../model/index.ts';
import type { PolicyUnit, PortMatch, PortName, PortRange, Rule } from '../rules/rule.ts';
import { portPrefixes } from './port-prefixes.ts';
import { ALL_PORTS, type PortKey, VerdictTable } from './verdict-table.ts';

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
const ALLOW_ALL: DirectionPolicy = { defaultDeny: false, verdicts: [] };

/** What holds in one direction for whom these policies select. */
export function compileDirection(input: DirectionInput, lookup: PeerLookup): DirectionPolicy {
  const { direction, mode, units } = input;
  if (mode === 'never') return ALLOW_ALL;
  const isolating = units.filter((unit) => unit[direction].isolates);
  const closed = units.some((unit) => unit[direction].closed);
  const defaultDeny = mode === 'always' || input.isInit || closed || isolating.length > 0;
  const table = new VerdictTable();
  if (defaultDeny && reachesOwnNode(input, isolating, closed)) table.add(RESERVED_IDENTITIES.host, ALL_PORTS, ALLOW, OWN_NODE);
  if (!closed) for (const unit of units) for (const rule of unit[direction].rules) addRule(table, rule, input, lookup);
  return table.normalise(defaultDeny);
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

function addRule(table: VerdictTable, rule: Rule, input: DirectionInput, lookup: PeerLookup): void {
  const decision = rule.action === 'allow' ? ALLOW : DENY;
  const { ranges, names } = portsOf(rule, input);
  const peers = rule.peers === 'any' ? [ANY] : lookup.peersOf(rule);
  for (const peer of peers) {
    for (const key of ranges) table.add(peer, key, decision, rule.source);
    if (peer !== ANY) for (const name of names) addNamed(table, peer, name, rule, decision, lookup);
  }
  if (rule.peers !== 'any') return;
  for (const name of names) for (const peer of lookup.withPort(name.name)) addNamed(table, peer, name, rule, decision, lookup);
}

function addNamed(table: VerdictTable, peer: Identity, name: PortName, { source }: Rule, decision: Decision, lookup: PeerLookup): void {
  for (const key of resolveName(name, lookup.portsOf(peer))) table.add(peer, key, decision, source);
}

/** Names are resolved at the receiving end: the subject's where something comes in, each peer's own where something goes out. */
function portsOf(rule: Rule, { direction, ports }: DirectionInput): { ranges: readonly PortKey[]; names: readonly PortName[] } {
  if (rule.ports === 'any') return { ranges: [ALL_PORTS], names: [] };
  const names = rule.ports.filter((port) => port.kind === 'name');
  const ranges = keysOf(rule.ports);
  if (direction === 'egress') return { ranges, names };
  return { ranges: [...ranges, ...names.flatMap((name) => resolveName(name, ports))], names: [] };
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
