import { equal } from '../../collection/index.ts';
import type { NamedPort } from '../../kube/index.ts';
import { ANY, type DirectionPolicy, type FieldRef, type Identity, RESERVED_IDENTITIES, type Verdict } from '../../model/index.ts';
import type { Rule } from '../rules/rule.ts';
import { type Contribution, type DirectionInput, type FramedRule, frameOf, OF_OWN_NODE, resolveName } from './frame.ts';
import { draftSlot, type SlotDraft } from './slot-draft.ts';
import { SlotUses } from './slot-uses.ts';
import { type DecideOptions, type Entry, isSameDecision, type MakeSlot, VerdictTable } from './verdict-table.ts';

/** Whom rules mean. */
export interface PeerLookup {
  /** Those that a rule's peers have among them, each once. */
  peersOf(rule: Rule): Iterable<Identity>;
  isPeer(rule: Rule, identity: Identity): boolean;
  /** Those that have a port of this name. */
  withPort(name: string): Iterable<Identity>;
  portsOf(peer: Identity): readonly NamedPort[];
}

const ALLOW_ALL: CompiledDirection = { policy: { defaultDeny: false, verdicts: [] }, slots: new SlotUses() };

/** What holds in a direction, and the slots that its verdicts name. */
export interface CompiledDirection {
  readonly policy: DirectionPolicy;
  readonly slots: SlotUses;
}

/** What holds in one direction for whom these policies select. */
export function compileDirection(input: DirectionInput, lookup: PeerLookup): CompiledDirection {
  if (input.mode === 'never' && input.visible.length === 0) return ALLOW_ALL;
  const { defaultDeny, rules, reachesHost } = frameOf(input);
  const contributions = new Map<Identity, Contribution[]>();
  for (const rule of rules) {
    if (rule.ofAny) addTo(contributions, ANY, rule.ofAny);
    for (const peer of peersOf(rule, lookup)) addTo(contributions, peer, rule.ofPeers);
  }
  // The last in the order of sources.
  if (reachesHost) addTo(contributions, RESERVED_IDENTITIES.host, OF_OWN_NODE);
  if (input.visible.length > 0 && !contributions.has(ANY)) contributions.set(ANY, []);
  const made = new Map<string, SlotDraft>();
  const { visible } = input;
  const decide = decider(contributions.get(ANY) ?? [], { defaultDeny, visible, lookup, makeSlot: slotMaker(input, made) });
  const peers = [...contributions.keys()].sort((a, b) => a - b);
  const verdicts = peers.flatMap((peer) => decide(peer, contributions.get(peer) ?? []));
  const slots = new SlotUses();
  if (made.size > 0) slots.add(verdicts, made);
  return { policy: { defaultDeny, verdicts }, slots };
}

/** Slots are made to be compared, too, so not all of them are in a verdict. */
function slotMaker({ direction, audits, ofIngresses }: DirectionInput, made: Map<string, SlotDraft>): MakeSlot {
  return (clauses, allowsAll) => {
    const draft = draftSlot(direction, clauses, { allowsAll, audits, ofIngresses });
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
  const slots = new SlotUses(before.slots);
  const made = new Map<string, SlotDraft>();
  const ofAny = rules.flatMap((rule) => rule.ofAny ?? []);
  const decide = decider(ofAny, { defaultDeny, visible: input.visible, lookup, makeSlot: slotMaker(input, made) });
  const pieces: (readonly Verdict[])[] = [];
  let copied = 0;
  let isChanged = false;
  for (const peer of [...peers].sort((a, b) => a - b)) {
    const meant = rules.filter((rule) => means(rule, peer, lookup)).map(({ ofPeers }) => ofPeers);
    const now = decide(peer, reachesHost && peer === RESERVED_IDENTITIES.host ? [...meant, OF_OWN_NODE] : meant);
    const first = firstOf(old, peer);
    const next = firstOf(old, peer + 1);
    const was = old.slice(first, next);
    if (isSame(was, now)) continue;
    isChanged = true;
    slots.remove(was);
    slots.add(now, made);
    pieces.push(old.slice(copied, first), now);
    copied = next;
  }
  if (!isChanged) return before;
  const none: Verdict[] = [];
  const verdicts = none.concat(...pieces, old.slice(copied));
  return { policy: { defaultDeny, verdicts }, slots };
}

/** Whether two directions are the same; faster than to compare all that they consist of, as verdicts share their sources. */
export function isSameDirection(a: DirectionPolicy, b: DirectionPolicy): boolean {
  return a === b || (a.defaultDeny === b.defaultDeny && isSame(a.verdicts, b.verdicts));
}

function isSame(some: readonly Verdict[], others: readonly Verdict[]): boolean {
  const compared = new Map<readonly FieldRef[], readonly FieldRef[]>();
  return (
    some.length === others.length &&
    some.every((a, index) => {
      const b = others[index];
      if (a === b) return true;
      if (!b || a.peer !== b.peer || a.protocol !== b.protocol || a.port !== b.port) return false;
      if (a.portPrefixLength !== b.portPrefixLength || !isSameDecision(a.decision, b.decision)) return false;
      if (compared.get(a.sources) !== b.sources && !equal(a.sources, b.sources)) return false;
      compared.set(a.sources, b.sources);
      return true;
    })
  );
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

function peersOf({ rule, ofPeers }: FramedRule, lookup: PeerLookup): Iterable<Identity> {
  return rule.peers === 'any' ? new Set(ofPeers.names.flatMap(({ name }) => [...lookup.withPort(name)])) : lookup.peersOf(rule);
}

function means({ rule, ofPeers }: FramedRule, peer: Identity, lookup: PeerLookup): boolean {
  if (rule.peers !== 'any') return lookup.isPeer(rule, peer);
  return lookup.portsOf(peer).some((port) => ofPeers.names.some(({ name }) => name === port.name));
}

type Decide = (peer: Identity, meant: readonly Contribution[]) => readonly Verdict[];

interface DecideContext extends DecideOptions {
  readonly lookup: PeerLookup;
}

/** Many peers are meant by the same rules, for which it is decided once. */
function decider(ofAny: readonly Contribution[], { lookup, ...options }: DecideContext): Decide {
  const any = tableOf(ofAny, []);
  const entriesOfAny = any.decisive(undefined, options);
  const decided = new Map<string, readonly Entry[]>();
  return (peer, meant) => {
    if (peer === ANY) return entriesOfAny.map((entry) => verdictOf(peer, entry));
    const ports = meant.some(({ names }) => names.length > 0) ? lookup.portsOf(peer) : [];
    const key = `${meant.map(({ id }) => id).join()} ${ports.length > 0 ? JSON.stringify(ports) : ''}`;
    const entries = decided.get(key) ?? tableOf(meant, ports).decisive(any, options);
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

function addTo(contributions: Map<Identity, Contribution[]>, peer: Identity, contribution: Contribution): void {
  const others = contributions.get(peer);
  if (others) others.push(contribution);
  else contributions.set(peer, [contribution]);
}
