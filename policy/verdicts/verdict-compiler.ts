import type { NamedPort } from '../../kube/index.ts';
import {
  type Direction,
  type DirectionPolicy,
  type Identity,
  RESERVED_IDENTITIES,
  type Slot,
  type SubjectPolicy,
} from '../../model/index.ts';
import type { IdentityFacts } from '../identity/facts.ts';
import { PLAIN_HANDLING } from '../identity/pod-handling.ts';
import { reservedLabel } from '../identity/reserved.ts';
import type { PolicyUnit, Rule } from '../rules/rule.ts';
import { type CompiledDirection, compileDirection, isSameDirection, patchDirection } from './compile-direction.ts';
import type { EnforcementMode } from './frame.ts';
import { type IdentitySet, IdentitySets } from './identity-sets.ts';
import type { SlotDraft } from './slot-draft.ts';
import { type SlotChanges, SlotTable } from './slot-table.ts';

const DIRECTIONS = ['ingress', 'egress'] as const satisfies readonly Direction[];
const INGRESSES = reservedLabel('ingress');

/** A rule set that is in force. */
interface Unit {
  readonly id: number;
  readonly content: PolicyUnit;
  readonly subjects: IdentitySet;
  /** Those whose identities its rules for a direction mean. */
  readonly peers: Readonly<Record<Direction, ReadonlySet<IdentitySet>>>;
  /** Names of ports in rules for what comes in. */
  readonly portNames: ReadonlySet<string>;
  /** What it is compiled into. */
  readonly programs: Set<Program>;
}

/** What holds in a direction for all subjects that the same rule sets select. */
interface Program {
  readonly key: string;
  readonly direction: Direction;
  readonly units: readonly Unit[];
  readonly isInit: boolean;
  readonly ports: readonly NamedPort[];
  readonly visible: readonly number[];
  readonly audits: boolean;
  readonly ofIngresses: boolean;
  readonly subjects: Set<Identity>;
  /** Those that rules may mean otherwise than when the policy was compiled. */
  readonly stalePeers: Set<Identity>;
  compiled: CompiledDirection | undefined;
  /** What is compiled, or what is equal to it and was told before. */
  told: DirectionPolicy | undefined;
}

interface Subject {
  programs: Readonly<Record<Direction, Program>> | undefined;
  policy: SubjectPolicy | undefined;
}

export interface VerdictChanges {
  readonly upserts: readonly SubjectPolicy[];
  readonly removals: readonly Identity[];
  readonly slots: SlotChanges;
}

/**
 * Compiles rules for subjects. What the same rule sets select has the same policy, compiled once; it is compiled again when one of the
 * sets of identities changes that its rules mean.
 */
export class VerdictCompiler {
  readonly #mode: EnforcementMode;
  readonly #sets = new IdentitySets();
  readonly #units = new Map<string, Unit>();
  readonly #unitsById = new Map<number, Unit>();
  readonly #setsOfRule = new Map<Rule, readonly IdentitySet[]>();
  readonly #subjects = new Map<Identity, Subject>();
  readonly #programs = new Map<string, Program>();
  readonly #staleSubjects = new Set<Identity>();
  readonly #stalePrograms = new Set<Program>();
  readonly #removals = new Set<Identity>();
  readonly #slots = new SlotTable<Program>();
  #nextId = 1;

  constructor(mode: EnforcementMode) {
    this.#mode = mode;
  }

  putUnit(content: PolicyUnit): void {
    this.deleteUnit(content.key);
    const unit = this.#makeUnit(content);
    this.#units.set(content.key, unit);
    this.#unitsById.set(unit.id, unit);
    for (const identity of unit.subjects.identities) this.#staleSubjects.add(identity);
  }

  deleteUnit(key: string): void {
    const unit = this.#units.get(key);
    if (!unit) return;
    this.#units.delete(key);
    this.#unitsById.delete(unit.id);
    for (const identity of unit.subjects.identities) this.#staleSubjects.add(identity);
    this.#sets.drop(unit.subjects, unit.id);
    for (const direction of DIRECTIONS) {
      for (const set of unit.peers[direction]) this.#sets.drop(set, unit.id);
      for (const rule of unit.content[direction].rules) this.#setsOfRule.delete(rule);
    }
  }

  /** Takes what rules now see of an identity. */
  putIdentity(facts: IdentityFacts): void {
    this.#staleSubjects.add(facts.identity);
    this.#touch(this.#sets.put(facts), facts.identity);
  }

  deleteIdentity(identity: Identity): void {
    this.#touch(this.#sets.delete(identity), identity);
  }

  /** Says whether there are endpoints that bear an identity, so that its policy is needed. */
  setSubject(identity: Identity, isNeeded: boolean): void {
    const subject = this.#subjects.get(identity);
    if (isNeeded === (subject !== undefined)) return;
    if (isNeeded) {
      this.#subjects.set(identity, { programs: undefined, policy: undefined });
      this.#staleSubjects.add(identity);
      return;
    }
    this.#subjects.delete(identity);
    if (subject?.policy) this.#removals.add(identity);
    for (const direction of DIRECTIONS) this.#leave(subject?.programs?.[direction], identity);
  }

  /** The rule sets that select whoever has these labels, whether an identity or not. */
  selecting(facts: IdentityFacts): PolicyUnit[] {
    return this.#unitsOf(this.#sets.match(facts)).map(({ content }) => content);
  }

  /** The rule sets by which what nothing allows a subject is denied, as of the last time that all was settled. */
  isolating(subject: Identity, direction: Direction): PolicyUnit[] {
    const units = this.#subjects.get(subject)?.programs?.[direction].units ?? [];
    return units.map(({ content }) => content).filter((content) => content[direction].isolates || content[direction].closed);
  }

  /** As of the last time that all was settled. */
  policy(subject: Identity): SubjectPolicy | undefined {
    return this.#subjects.get(subject)?.policy;
  }

  slot(name: string): Slot | undefined {
    return this.#slots.find(name);
  }

  /** Slots in which rules of several kinds meet, as of the last time that all was settled. */
  conflicts(): SlotDraft[] {
    return this.#slots.conflicts();
  }

  policies(): SubjectPolicy[] {
    return Array.from(this.#subjects.values(), ({ policy }) => policy ?? []).flat();
  }

  /** What changed since this was called last. */
  settle(): VerdictChanges {
    const upserts: SubjectPolicy[] = [];
    for (const identity of this.#staleSubjects) this.#assign(identity);
    for (const { subjects } of this.#stalePrograms) for (const identity of subjects) this.#staleSubjects.add(identity);
    this.#stalePrograms.clear();
    for (const identity of [...this.#staleSubjects].sort((a, b) => a - b)) upserts.push(...this.#refresh(identity));
    const removals = [...this.#removals].filter((identity) => !this.#subjects.has(identity)).sort((a, b) => a - b);
    this.#staleSubjects.clear();
    this.#removals.clear();
    return { upserts, removals, slots: this.#slots.settle() };
  }

  #makeUnit(content: PolicyUnit): Unit {
    const id = this.#nextId++;
    const subjects = this.#sets.use({ kind: 'labels', selector: content.subject }, id);
    const names = content.ingress.rules.flatMap(({ ports }) => (ports === 'any' ? [] : ports.filter((port) => port.kind === 'name')));
    return {
      id,
      content,
      subjects,
      peers: { ingress: this.#peersOf(content.ingress.rules, id), egress: this.#peersOf(content.egress.rules, id) },
      portNames: new Set(names.map(({ name }) => name)),
      programs: new Set(),
    };
  }

  #peersOf(rules: readonly Rule[], id: number): Set<IdentitySet> {
    const all = new Set<IdentitySet>();
    const use = (set: IdentitySet): IdentitySet => {
      if (all.has(set)) this.#sets.drop(set, id);
      all.add(set);
      return set;
    };
    for (const rule of rules) {
      const { direction, peers, ports } = rule;
      if (peers !== 'any')
        this.#setsOfRule.set(
          rule,
          peers.map((peer) => use(this.#sets.use(peer, id))),
        );
      else if (direction === 'egress' && ports !== 'any') {
        for (const port of ports) if (port.kind === 'name') use(this.#sets.use({ kind: 'port', name: port.name }, id));
      }
    }
    return all;
  }

  /** What these sets let rules say of an identity has to be looked at again. */
  #touch(sets: Iterable<IdentitySet>, identity: Identity): void {
    for (const set of sets) {
      for (const id of set.users.keys()) {
        const unit = this.#unitsById.get(id);
        for (const program of unit?.programs ?? []) {
          if (!unit?.peers[program.direction].has(set)) continue;
          program.stalePeers.add(identity);
          this.#stalePrograms.add(program);
        }
      }
    }
  }

  /** Those whose subjects are among these sets. */
  #unitsOf(sets: Iterable<IdentitySet>): Unit[] {
    const units: Unit[] = [];
    for (const set of sets) {
      for (const id of set.users.keys()) {
        const unit = this.#unitsById.get(id);
        if (unit?.subjects === set) units.push(unit);
      }
    }
    return units.sort((a, b) => (a.content.key < b.content.key ? -1 : 1));
  }

  /** Finds which rule sets select a subject. */
  #assign(identity: Identity): void {
    const subject = this.#subjects.get(identity);
    if (!subject) return;
    const units = this.#unitsOf(this.#sets.setsOf(identity));
    const before = subject.programs;
    subject.programs = { ingress: this.#join('ingress', units, identity), egress: this.#join('egress', units, identity) };
    for (const direction of DIRECTIONS) if (before?.[direction] !== subject.programs[direction]) this.#leave(before?.[direction], identity);
  }

  #join(direction: Direction, selecting: readonly Unit[], identity: Identity): Program {
    const units = selecting.filter(({ content }) => isAbout(content, direction));
    const isInit = identity === RESERVED_IDENTITIES.init;
    const facts = this.#sets.facts(identity);
    const { audits, visible: all } = facts?.handling ?? PLAIN_HANDLING;
    const visible = all.filter((each) => each.direction === direction).map(({ port }) => port);
    const named = direction === 'ingress' ? (facts?.ports ?? []) : [];
    const ports = named.filter(({ name }) => units.some(({ portNames }) => portNames.has(name)));
    const ofIngresses = direction === 'ingress' && facts?.labels.has(INGRESSES) === true;
    const key = JSON.stringify([direction, isInit, units.map(({ id }) => id), ports, visible, audits, ofIngresses]);
    const program = this.#programs.get(key) ?? {
      key,
      direction,
      units,
      isInit,
      ports,
      visible,
      audits,
      ofIngresses,
      subjects: new Set<Identity>(),
      stalePeers: new Set<Identity>(),
      compiled: undefined,
      told: undefined,
    };
    this.#programs.set(key, program);
    program.subjects.add(identity);
    for (const unit of units) unit.programs.add(program);
    return program;
  }

  #leave(program: Program | undefined, identity: Identity): void {
    program?.subjects.delete(identity);
    if (!program || program.subjects.size > 0) return;
    this.#slots.drop(program);
    this.#programs.delete(program.key);
    for (const unit of program.units) unit.programs.delete(program);
  }

  #refresh(identity: Identity): SubjectPolicy[] {
    const subject = this.#subjects.get(identity);
    if (!subject?.programs) return [];
    const before = subject.policy;
    const ingress = this.#compile(subject.programs.ingress, before?.ingress);
    const egress = this.#compile(subject.programs.egress, before?.egress);
    const { audits } = subject.programs.ingress;
    if (before && before.ingress === ingress && before.egress === egress && (before.audits ?? false) === audits) return [];
    subject.policy = { subject: identity, ingress, egress, ...(audits && { audits }) };
    return [subject.policy];
  }

  /** @param before what is kept where it is equal */
  #compile(program: Program, before: DirectionPolicy | undefined): DirectionPolicy {
    const { direction, isInit, ports, visible, audits, ofIngresses } = program;
    const units = program.units.map(({ content }) => content);
    const input = { direction, mode: this.#mode, units, isInit, ports, visible, audits, ofIngresses };
    const { compiled } = program;
    const isPatched = compiled !== undefined && program.stalePeers.size > 0;
    const now = isPatched
      ? patchDirection(compiled, program.stalePeers, input, this.#lookup)
      : (compiled ?? compileDirection(input, this.#lookup));
    program.stalePeers.clear();
    if (now !== compiled) {
      program.told = now.policy;
      this.#slots.use(program, now.slots);
    }
    if (before && before !== program.told && isSameDirection(before, now.policy)) program.told = before;
    const told = program.told ?? now.policy;
    // Slots are counted by the verdicts themselves, so these are kept where there are some.
    const isKept = now.policy === told || now.slots.names.length > 0;
    program.compiled = isKept ? now : { ...now, policy: told };
    return told;
  }

  readonly #lookup = {
    peersOf: (rule: Rule): Iterable<Identity> => {
      const [only, ...others] = this.#setsOfRule.get(rule) ?? [];
      if (others.length === 0) return only?.identities ?? [];
      return new Set([...(only?.identities ?? []), ...others.flatMap(({ identities }) => [...identities])]);
    },
    isPeer: (rule: Rule, identity: Identity): boolean =>
      (this.#setsOfRule.get(rule) ?? []).some(({ identities }) => identities.has(identity)),
    withPort: (name: string): Iterable<Identity> => this.#sets.find({ kind: 'port', name })?.identities ?? [],
    portsOf: (peer: Identity): readonly NamedPort[] => this.#sets.facts(peer)?.ports ?? [],
  };
}

function isAbout(content: PolicyUnit, direction: Direction): boolean {
  const { isolates, closed, rules } = content[direction];
  return isolates || closed || rules.length > 0;
}
