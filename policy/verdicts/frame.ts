import type { NamedPort } from '../../kube/index.ts';
import { type Direction, type FieldRef, IP_PROTOCOLS } from '../../model/index.ts';
import type { PolicyUnit, PortMatch, PortName, PortRange, Rule } from '../rules/rule.ts';
import { portPrefixes } from './port-prefixes.ts';
import type { Clause } from './slot-draft.ts';
import { ALL_PORTS, type PortKey } from './verdict-table.ts';

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
  /** Ports of TCP of which what may pass goes by a slot, so that it is seen. */
  readonly visible: readonly number[];
  readonly audits: boolean;
  /** Whether the subject is Ingresses, and this is of what comes to them. */
  readonly ofIngresses: boolean;
}

/** Where a verdict comes from that no policy asks for. */
export const OWN_NODE: FieldRef = { object: { kind: 'Node', namespace: '', name: '' }, path: [] };

/** What one rule decides of some ports. */
export interface Contribution {
  readonly id: number;
  readonly keys: readonly PortKey[];
  /** Of the peer's ports. */
  readonly names: readonly PortName[];
  readonly action: Rule['action'];
  /** What it asks for of what it allows. */
  readonly clause: Clause | undefined;
  readonly source: FieldRef;
}

/** What the own node may always do. */
export const OF_OWN_NODE: Contribution = { id: 0, keys: [ALL_PORTS], names: [], action: 'allow', clause: undefined, source: OWN_NODE };

/** A rule with what it decides, of any peer and of those that it means. */
export interface FramedRule {
  readonly rule: Rule;
  readonly ofAny: Contribution | undefined;
  readonly ofPeers: Contribution;
}

/** All that does not depend on peers. */
export interface Frame {
  readonly defaultDeny: boolean;
  readonly reachesHost: boolean;
  readonly rules: readonly FramedRule[];
}

/** What the rules that select somebody come to, as far as it is the same for all peers. */
export function frameOf(input: DirectionInput): Frame {
  const { direction, mode } = input;
  const units = mode === 'never' ? [] : input.units;
  const isolating = units.filter((unit) => unit[direction].isolates);
  const closed = units.some((unit) => unit[direction].closed);
  const defaultDeny = mode === 'always' || (input.isInit && mode !== 'never') || closed || isolating.length > 0;
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

/**
 * What the node sends always arrives, so that it can probe; a denial that means it wins all the same. What is sent to the node passes
 * where nothing but NetworkPolicies isolate.
 * @see https://kubernetes.io/docs/concepts/services-networking/network-policies/#the-two-sorts-of-pod-isolation
 */
function reachesOwnNode({ direction, mode, isInit }: DirectionInput, isolating: readonly PolicyUnit[], closed: boolean): boolean {
  if (direction === 'ingress') return true;
  return mode === 'default' && !isInit && !closed && isolating.every(({ object }) => object.kind === 'NetworkPolicy');
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

/** What a name means of the ports that somebody has. */
export function resolveName({ name, protocols }: PortName, ports: readonly NamedPort[]): PortKey[] {
  return ports.flatMap((port) => {
    const protocol = IP_PROTOCOLS[port.protocol];
    return port.name === name && protocols.includes(protocol) ? [{ protocol, port: port.number, length: 16 }] : [];
  });
}
