import type { BpfMap, Codec } from 'libbpf-ts';
import type { Direction, DirectionPolicy, Identity, SubjectPolicy } from '../../model/index.ts';
import { now } from './clock.ts';
import { fullWhere } from './full.ts';
import { decision as DECISIONS, type subject as SUBJECT } from './gen/policy.ts';
import { Pace } from './pace.ts';
import type { Repair } from './repair.ts';
import { Turns } from './turns.ts';
import { comparePolicies, planVerdictChange, type StepwiseChange } from './verdict-change.ts';
import {
  DIRECTION_NUMBERS,
  decodeVerdict,
  keysOf,
  type OpenedConnection,
  type PortOf,
  prevailing,
  slotsOf,
  type WrittenVerdict,
} from './verdict-entries.ts';
import { compareWithTrie, removeEntries, type Trie, type VerdictTries, writeEntries } from './verdict-tries.ts';

type SubjectValue = typeof SUBJECT extends Codec<infer T> ? T : never;
type SubjectFlags = Pick<SubjectValue, 'default_deny' | 'is_policed' | 'audits'>;

const NO_PAD = new Uint8Array(7);

/** Subjects whose tries are put in force together. */
const AT_ONCE = 64;

/** What each identity may do, in the kernel. */
export class VerdictTable {
  readonly #subjects: BpfMap<Identity, SubjectValue>;
  readonly #tries: VerdictTries;
  readonly #portOf: PortOf;
  readonly #turns = new Turns();
  readonly #wanted = new Map<Identity, SubjectPolicy>();
  /** What the kernel has, as far as it was written without an error; anything else is read. */
  readonly #written = new Map<Identity, SubjectPolicy>();
  readonly #slots = new WeakMap<SubjectPolicy, readonly string[]>();

  /** @internal */
  constructor(subjects: BpfMap<Identity, SubjectValue>, tries: VerdictTries, portOf: PortOf) {
    this.#subjects = subjects;
    this.#tries = tries;
    this.#portOf = portOf;
  }

  /** Of what was written through this. */
  get(subject: Identity): SubjectPolicy | undefined {
    return this.#wanted.get(subject);
  }

  /** Identities that the kernel has verdicts of. */
  subjects(): readonly Identity[] {
    return this.#tries.subjects();
  }

  /** What the kernel has for a subject, and how often each decided; in no order. */
  *entries(subject: Identity): Generator<WrittenVerdict> {
    using trie = this.#tries.open(subject);
    for (const [key, value] of trie?.entries() ?? []) yield decodeVerdict(key, value);
  }

  /** Whether the kernel has anything to say of connections of a subject. */
  isPoliced(subject: Identity, direction: Direction): boolean {
    return this.#subjects.get(subject)?.is_policed[DIRECTION_NUMBERS[direction]] === 1;
  }

  /** Whether what it does not allow a subject passes and is told of. */
  isAudited(subject: Identity): boolean {
    return this.#subjects.get(subject)?.audits === 1;
  }

  /**
   * What the kernel says of connections that a subject opens, or that are opened to it; but for those with the own node.
   * @returns for each the port of the slot that decides, 0 where none does, undefined where it may not be
   */
  judge(subject: Identity, direction: Direction, connections: readonly OpenedConnection[]): readonly (number | undefined)[] {
    const flags = this.#subjects.get(subject);
    using trie = this.#tries.open(subject);
    return connections.map((connection) => {
      if (!flags || !trie) return undefined;
      const [ofPeer, ofAny] = keysOf(direction, connection);
      const verdict = prevailing(trie.get(ofPeer), trie.get(ofAny));
      if (!verdict) return flags.default_deny[DIRECTION_NUMBERS[direction]] === 1 ? undefined : 0;
      if (verdict.decision === DECISIONS.DECISION_ALLOW) return 0;
      return verdict.decision === DECISIONS.DECISION_SLOT && verdict.slot !== 0 ? verdict.slot : undefined;
    });
  }

  /**
   * Writes policies. At no moment is allowed what neither the old nor the new policy of a subject allows. When this is done, what is
   * open is judged by the new one with its next packet. An endpoint whose identity has no policy sends and receives nothing.
   * @throws DatapathError `maps-full` or `refused`; `repair` then tells what is not as it is to be, and tries again
   */
  set(policies: Iterable<SubjectPolicy>): Promise<void> {
    const all = [...policies];
    return this.#turns.take(async () => {
      const changed = all.filter((policy) => this.#written.get(policy.subject) !== policy);
      await this.#setAll(changed);
    });
  }

  /** To be done when no endpoint has these identities any more. */
  remove(subjects: Iterable<Identity>): Promise<void> {
    const all = [...subjects];
    return this.#turns.take(async () => {
      for (const subject of all) this.#remove(subject);
    });
  }

  /** Makes the table hold these and no others, whatever is in it, as after a start. @returns what was not so @throws DatapathError as `set` */
  replace(policies: Iterable<SubjectPolicy>): Promise<Repair> {
    const wanted = new Map([...policies].map((policy) => [policy.subject, policy]));
    return this.#turns.take(() => this.#replace(wanted));
  }

  /** Compares the kernel's tables with what was written, and makes them the same again, one subject at a time: changes come in between. */
  async repair(): Promise<Repair> {
    const pace = new Pace();
    const foreign: string[] = [];
    const missing: string[] = [];
    const each = async (subjects: Iterable<Identity>, mend: (subject: Identity) => Promise<void>) => {
      for (const subject of subjects) {
        await this.#turns.take(() => mend(subject));
        if (pace.isDue) await pace.rest();
      }
    };
    await each(this.#present(), async (subject) => {
      if (this.#wanted.has(subject)) return;
      this.#remove(subject);
      foreign.push(String(subject));
    });
    await each(this.#wanted.keys(), async (subject) => {
      const policy = this.#wanted.get(subject);
      this.#written.delete(subject);
      if (policy) missing.push(...(await this.#setAll([policy])).map(String));
    });
    return { foreign, missing };
  }

  /** Writes the verdicts anew that lead to these slots, whose ports are others now. */
  async movePorts(slots: ReadonlySet<string>): Promise<void> {
    const pace = new Pace();
    for (const subject of [...this.#wanted.keys()]) {
      await this.#turns.take(async () => {
        const policy = this.#wanted.get(subject);
        if (!policy || !this.#slotsOf(policy).some((slot) => slots.has(slot))) return;
        this.#written.delete(subject);
        await this.#setAll([policy]);
      });
      if (pace.isDue) await pace.rest();
    }
  }

  #slotsOf(policy: SubjectPolicy): readonly string[] {
    const known = this.#slots.get(policy);
    if (known) return known;
    const slots = slotsOf(policy);
    this.#slots.set(policy, slots);
    return slots;
  }

  async #replace(wanted: ReadonlyMap<Identity, SubjectPolicy>): Promise<Repair> {
    const foreign = [...this.#present()].filter((subject) => !wanted.has(subject));
    for (const subject of foreign) this.#remove(subject);
    this.#wanted.clear();
    this.#written.clear();
    const missing = await this.#setAll([...wanted.values()]);
    return { foreign: foreign.map(String), missing: missing.map(String) };
  }

  #present(): ReadonlySet<Identity> {
    return new Set([...this.#tries.subjects(), ...Array.from(this.#subjects.entries(), ([subject]) => subject)]);
  }

  #remove(subject: Identity): void {
    this.#wanted.delete(subject);
    this.#written.delete(subject);
    this.#subjects.delete(subject);
    this.#tries.remove(subject);
  }

  /** @returns the subjects that something was written for */
  async #setAll(policies: readonly SubjectPolicy[]): Promise<readonly Identity[]> {
    const anew: SubjectPolicy[] = [];
    const written: Identity[] = [];
    for (const policy of policies) this.#wanted.set(policy.subject, policy);
    for (const policy of policies) {
      const before = this.#written.get(policy.subject);
      this.#written.delete(policy.subject);
      const result = await this.#setInPlace(policy, before);
      if (result === 'anew') anew.push(policy);
      else this.#written.set(policy.subject, policy);
      if (result !== 'same') written.push(policy.subject);
      if (anew.length === AT_ONCE) await this.#setAnew(anew.splice(0));
    }
    await this.#setAnew(anew);
    return written;
  }

  async #setInPlace(policy: SubjectPolicy, before: SubjectPolicy | undefined): Promise<'same' | 'written' | 'anew'> {
    using trie = this.#tries.open(policy.subject);
    if (!trie) return 'anew';
    const difference = before ? comparePolicies(before, policy, this.#portOf) : await compareWithTrie(trie, policy, this.#portOf);
    const change = planVerdictChange(difference);
    if (change.kind === 'anew') return 'anew';
    const present = this.#subjects.get(policy.subject);
    const flags = flagsOf(policy);
    const isSame = present !== undefined && areSame(present, flags);
    if (change.kind === 'none' && isSame) return 'same';
    const setFlags = async () => {
      if (!isSame) await this.#setFlags(policy.subject, flags);
    };
    if (change.kind === 'stepwise') await changeStepwise(trie, change, setFlags);
    else await setFlags();
    // Once more, with the time after all that was written.
    await this.#setFlags(policy.subject, flags);
    return 'written';
  }

  async #setAnew(policies: readonly SubjectPolicy[]): Promise<void> {
    if (policies.length === 0) return;
    using made = new DisposableStack();
    const tries = new Map<Identity, Trie>();
    for (const policy of policies) tries.set(policy.subject, made.use(await this.#tries.make(policy, this.#portOf)));
    // What the one denies that is in force and the other, too.
    for (const policy of policies) {
      const present = this.#subjects.get(policy.subject);
      if (present) await this.#setFlags(policy.subject, stricter(present, flagsOf(policy)));
    }
    await this.#tries.put(tries);
    for (const policy of policies) {
      await this.#setFlags(policy.subject, flagsOf(policy));
      await this.#setFlags(policy.subject, flagsOf(policy));
      this.#written.set(policy.subject, policy);
    }
  }

  /** A packet that comes meanwhile takes its time after this one, so it is done again once all is written. */
  #setFlags(identity: Identity, { default_deny, is_policed, audits }: SubjectFlags): Promise<void> {
    return fullWhere('subjects', () => {
      this.#subjects.set(identity, { changed: now(), default_deny, is_policed, identity, audits, pad: NO_PAD });
    });
  }
}

/** Of what nothing says, the old flags hold as long as all old verdicts are there, and the new ones once all new verdicts are. */
async function changeStepwise(trie: Trie, change: StepwiseChange, setFlags: () => Promise<void>): Promise<void> {
  await writeEntries(trie, change.denials);
  await writeEntries(trie, change.permissions);
  await setFlags();
  removeEntries(trie, change.removedPermissions);
  removeEntries(trie, change.removedDenials);
}

function flagsOf({ ingress, egress, audits }: SubjectPolicy): SubjectFlags {
  const isPoliced = ({ defaultDeny, verdicts }: DirectionPolicy) => Number(defaultDeny || verdicts.length > 0);
  return {
    default_deny: Uint8Array.of(Number(ingress.defaultDeny), Number(egress.defaultDeny)),
    is_policed: Uint8Array.of(isPoliced(ingress), isPoliced(egress)),
    audits: Number(audits ?? false),
  };
}

function areSame(a: SubjectFlags, b: SubjectFlags): boolean {
  return listFlags(a) === listFlags(b);
}

function listFlags({ default_deny, is_policed, audits }: SubjectFlags): string {
  return String([...default_deny, ...is_policed, audits]);
}

function stricter(a: SubjectFlags, b: SubjectFlags): SubjectFlags {
  const either = (x: Uint8Array, y: Uint8Array) => x.map((value, index) => value | (y[index] ?? 0));
  const audits = Math.min(a.audits, b.audits);
  return { default_deny: either(a.default_deny, b.default_deny), is_policed: either(a.is_policed, b.is_policed), audits };
}
