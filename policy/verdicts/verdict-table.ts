import { ANY, type Decision, type FieldRef } from '../../model/index.ts';
import type { PortPrefix } from './port-prefixes.ts';

/** Protocol and ports as the kernel looks them up. */
export interface PortKey extends PortPrefix {
  readonly protocol: number;
}

export const ALL_PORTS: PortKey = { protocol: ANY, port: 0, length: 0 };

/** What is decided for a key. */
export interface Entry {
  readonly key: PortKey;
  readonly decision: Decision;
  readonly sources: readonly FieldRef[];
}

/**
 * Gathers what rules decide about the ports of one peer, and leaves of it what can decide: of what matches a packet the strongest counts,
 * a denial before a slot before an allowance.
 */
export class VerdictTable {
  /** By {@link codeOf}. */
  readonly #entries = new Map<number, Entry>();

  /** Sources must come in their order. */
  add(key: PortKey, decision: Decision, source: FieldRef): void {
    const code = codeOf(key.protocol, key.port, key.length);
    const entry = this.#entries.get(code);
    const difference = entry ? strength(decision) - strength(entry.decision) : 1;
    if (difference > 0) this.#entries.set(code, { key, decision, sources: append(NO_SOURCES, source) });
    else if (entry && difference === 0) this.#entries.set(code, { ...entry, sources: append(entry.sources, source) });
  }

  /**
   * Those that decide where they are the longest match, in order of their keys: nothing that is as strong holds for more of the same peer,
   * or for as much of any.
   * @param any of any peer; undefined for that itself
   * @param defaultDeny whether what nothing matches is denied; if not, allowing decides nothing
   */
  decisive(any: VerdictTable | undefined, defaultDeny: boolean): Entry[] {
    const codes = [...this.#entries.keys()].sort((a, b) => a - b);
    return codes.flatMap((code) => {
      const entry = this.#entries.get(code);
      if (!entry || (entry.decision.kind === 'allow' && !defaultDeny)) return [];
      return this.#isCovered(entry, code, any) ? [] : [entry];
    });
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
  return entry !== undefined && strength(entry.decision) >= strength(decision);
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

const STRENGTH = { allow: 0, slot: 1, deny: 2 } as const;

function strength({ kind }: Decision): number {
  return STRENGTH[kind];
}

const NO_SOURCES: readonly FieldRef[] = [];

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
