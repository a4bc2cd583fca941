import { ANY, type Decision, type FieldRef, IP_PROTOCOLS } from '../../model/index.ts';
import type { PortPrefix } from './port-prefixes.ts';
import type { Clause } from './slot-draft.ts';
import { compareSources, sortSources, VISIBILITY } from './sources.ts';

/** Protocol and ports as the kernel looks them up. */
export interface PortKey extends PortPrefix {
  readonly protocol: number;
}

const { TCP } = IP_PROTOCOLS;

export const ALL_PORTS: PortKey = { protocol: ANY, port: 0, length: 0 };

/** What is decided for a key. */
export interface Entry {
  readonly key: PortKey;
  readonly decision: Decision;
  readonly sources: readonly FieldRef[];
}

/** What decisions depend on besides the tables. */
export interface DecideOptions {
  /** Whether what nothing matches is denied; if not, allowing decides nothing. */
  readonly defaultDeny: boolean;
  /** Ports of TCP of which what may pass goes by a slot. */
  readonly visible: readonly number[];
  readonly makeSlot: MakeSlot;
}

/** Makes the slot of some clauses, and remembers it. */
export type MakeSlot = (clauses: readonly Clause[], allowsAll: boolean) => string;

interface Asked {
  readonly key: PortKey;
  readonly clauses: readonly Clause[];
}

/**
 * Gathers what rules decide about the ports of one peer, and leaves of it what can decide: of what matches a packet a denial counts before
 * all else. What allows adds up: the rules of layer 7 of all that match, and whether something allows without.
 */
export class VerdictTable {
  /** Denials and allowances without layer 7, by {@link codeOf}. */
  readonly #entries = new Map<number, Entry>();
  /** What is asked on layer 7, by {@link codeOf}. */
  readonly #asked = new Map<number, Asked>();
  /** What was decisive, by {@link codeOf}; of the table of any peer. */
  #kept: ReadonlyMap<number, Entry> = new Map();

  /** Sources must come in their order. */
  add(key: PortKey, decision: 'allow' | 'deny', source: FieldRef): void {
    const code = codeOf(key.protocol, key.port, key.length);
    const entry = this.#entries.get(code);
    const difference = entry ? STRENGTH[decision] - STRENGTH[entry.decision.kind] : 1;
    if (difference > 0) this.#entries.set(code, { key, decision: PLAIN[decision], sources: append(NO_SOURCES, source) });
    else if (entry && difference === 0) this.#entries.set(code, { ...entry, sources: append(entry.sources, source) });
  }

  ask(key: PortKey, clause: Clause): void {
    const code = codeOf(key.protocol, key.port, key.length);
    const clauses = this.#asked.get(code)?.clauses ?? [];
    if (!clauses.includes(clause)) this.#asked.set(code, { key, clauses: [...clauses, clause] });
  }

  /**
   * Those that decide where they are the longest match, in order of their keys: without them, what else matches would come to something
   * else.
   * @param any of any peer, itself asked before; undefined for that itself
   */
  decisive(any: VerdictTable | undefined, options: DecideOptions): Entry[] {
    const asks = options.visible.length > 0 || (any ? [this, any] : [this]).some((table) => table.#asked.size > 0);
    const kept = asks ? this.#decideAll(any, options) : this.#decideOwn(any, options.defaultDeny);
    if (!any) this.#kept = new Map(kept.map((entry) => [codeOfKey(entry.key), entry]));
    return kept;
  }

  /** Where nothing is asked on layer 7, only keys of the table itself can decide. */
  #decideOwn(any: VerdictTable | undefined, defaultDeny: boolean): Entry[] {
    const codes = [...this.#entries.keys()].sort((a, b) => a - b);
    return codes.flatMap((code) => {
      const entry = this.#entries.get(code);
      if (!entry || (entry.decision.kind === 'allow' && !defaultDeny)) return [];
      return this.#isCovered(entry, code, any) ? [] : [entry];
    });
  }

  /** From the shortest match on: each is kept if the two look-ups would not come to the same without it. */
  #decideAll(any: VerdictTable | undefined, options: DecideOptions): Entry[] {
    const { defaultDeny, visible } = options;
    const kept = new Map<number, Entry>();
    for (const [code, key] of this.#keys(any, visible)) {
      const entry = this.#combine(key, any, options);
      if (!entry || (entry.decision.kind === 'allow' && !defaultDeny)) continue;
      const found = strongest(longest(kept, key), any && longest(any.#kept, key));
      if (!found || !isSameDecision(found, entry.decision)) kept.set(code, entry);
    }
    return [...kept].sort(([a], [b]) => a - b).map(([, entry]) => entry);
  }

  /** Where something may change: its own keys and those of any peer, and ports that are to be seen, by the lengths of their matches. */
  #keys(any: VerdictTable | undefined, visible: readonly number[]): [number, PortKey][] {
    const keys = new Map<number, PortKey>(visible.map((port) => [codeOf(TCP, port, 16), { protocol: TCP, port, length: 16 }]));
    for (const table of any ? [this, any] : [this]) {
      for (const [code, { key }] of [...table.#entries, ...table.#asked]) keys.set(code, key);
    }
    return [...keys].sort(([a, one], [b, other]) => matchLength(one) - matchLength(other) || a - b);
  }

  /** What all come to that hold for a key. */
  #combine(key: PortKey, any: VerdictTable | undefined, { defaultDeny, visible, makeSlot }: DecideOptions): Entry | undefined {
    const tables = any ? [this, any] : [this];
    const holding: Entry[] = [];
    const clauses: Clause[] = [];
    for (const code of codesAround(key)) {
      for (const table of tables) {
        const entry = table.#entries.get(code);
        if (entry) holding.push(entry);
        clauses.push(...(table.#asked.get(code)?.clauses ?? []));
      }
    }
    // The last is the longest match.
    const denial = holding.findLast(({ decision }) => decision.kind === 'deny');
    if (denial) return { ...denial, key };
    const allowance = holding.at(-1);
    if (clauses.length === 0) {
      const isVisible = key.protocol === TCP && key.length === 16 && visible.includes(key.port);
      if (!isVisible || (!allowance && defaultDeny)) return allowance && { ...allowance, key };
      return { key, decision: { kind: 'slot', slot: makeSlot([], true) }, sources: allowance?.sources ?? OF_VISIBILITY };
    }
    const sources = sortSources([...clauses.map(({ source }) => source), ...holding.flatMap((entry) => entry.sources)]);
    const distinct = [...new Set(clauses)].sort((a, b) => compareSources(a.source, b.source));
    return { key, decision: { kind: 'slot', slot: makeSlot(distinct, holding.length > 0) }, sources };
  }

  #isCovered({ key, decision }: Entry, own: number, any: VerdictTable | undefined): boolean {
    for (const code of codesAround(key)) {
      if (code !== own && isAsStrong(this.#entries.get(code), decision)) return true;
      if (any && isAsStrong(any.#entries.get(code), decision)) return true;
    }
    return false;
  }
}

function isAsStrong(entry: Entry | undefined, decision: Decision): boolean {
  return entry !== undefined && STRENGTH[entry.decision.kind] >= STRENGTH[decision.kind];
}

/** The codes of all keys that match what this one does, itself included. */
function* codesAround({ protocol, port, length }: PortKey): Iterable<number> {
  yield codeOf(ANY, 0, 0);
  if (protocol === ANY) return;
  for (let bits = 0; bits <= length; bits++) yield codeOf(protocol, bits === 0 ? 0 : port & (0xffff << (16 - bits)), bits);
}

/** One number for each key, in the order of protocol, port and length. */
function codeOf(protocol: number, port: number, length: number): number {
  return (protocol * 65536 + port) * 32 + length;
}

function codeOfKey({ protocol, port, length }: PortKey): number {
  return codeOf(protocol, port, length);
}

function matchLength({ protocol, length }: PortKey): number {
  return protocol === ANY ? 0 : 1 + length;
}

function longest(entries: ReadonlyMap<number, Entry>, key: PortKey): Entry | undefined {
  let found: Entry | undefined;
  for (const code of codesAround(key)) found = entries.get(code) ?? found;
  return found;
}

/** Which of the two that it finds the kernel takes. */
function strongest(own: Entry | undefined, any: Entry | undefined): Decision | undefined {
  if (!own || !any) return (own ?? any)?.decision;
  const difference = STRENGTH[own.decision.kind] - STRENGTH[any.decision.kind];
  const isOwn = difference > 0 || (difference === 0 && matchLength(own.key) >= matchLength(any.key));
  return isOwn ? own.decision : any.decision;
}

export function isSameDecision(a: Decision, b: Decision): boolean {
  return a.kind === 'slot' && b.kind === 'slot' ? a.slot === b.slot : a.kind === b.kind;
}

const STRENGTH = { allow: 0, slot: 1, deny: 2 } as const;

const PLAIN = { allow: { kind: 'allow' }, deny: { kind: 'deny' } } as const satisfies Record<string, Decision>;

const NO_SOURCES: readonly FieldRef[] = [];
const OF_VISIBILITY: readonly FieldRef[] = [VISIBILITY];

/** Lists with one source more than others, by those others: there are many verdicts, and most have the same sources. */
const LONGER = new WeakMap<readonly FieldRef[], WeakMap<FieldRef, readonly FieldRef[]>>();

function append(sources: readonly FieldRef[], source: FieldRef): readonly FieldRef[] {
  if (sources.at(-1) === source) return sources;
  const bySource = LONGER.get(sources) ?? new WeakMap<FieldRef, readonly FieldRef[]>();
  LONGER.set(sources, bySource);
  const longer = bySource.get(source) ?? [...sources, source];
  bySource.set(source, longer);
  return longer;
}
