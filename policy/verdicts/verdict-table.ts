import {
  ANY,
  type Decision,
  type DirectionPolicy,
  type FieldRef,
  formatPath,
  type Identity,
  objectKey,
  type Verdict,
} from '../../model/index.ts';
import type { PortPrefix } from './port-prefixes.ts';

/** Protocol and ports as the kernel looks them up. */
export interface PortKey extends PortPrefix {
  readonly protocol: number;
}

export const ALL_PORTS: PortKey = { protocol: ANY, port: 0, length: 0 };

interface Entry {
  readonly key: PortKey;
  decision: Decision;
  sources: FieldRef[];
}

/** By {@link codeOf}. */
type Entries = Map<number, Entry>;

/**
 * Gathers what rules decide about each peer and port, and leaves of it what can decide: of what matches a packet the strongest counts, a
 * denial before a slot before an allowance.
 */
export class VerdictTable {
  readonly #peers = new Map<Identity, Entries>();

  add(peer: Identity, key: PortKey, decision: Decision, source: FieldRef): void {
    const entries = this.#peers.get(peer) ?? new Map<number, Entry>();
    this.#peers.set(peer, entries);
    const code = codeOf(key.protocol, key.port, key.length);
    const entry = entries.get(code);
    const difference = entry ? strength(decision) - strength(entry.decision) : 1;
    if (!entry || difference > 0) entries.set(code, { key, decision, sources: [source] });
    else if (difference === 0) entry.sources.push(source);
  }

  /** @param defaultDeny whether what nothing matches is denied; if not, allowing decides nothing */
  normalise(defaultDeny: boolean): DirectionPolicy {
    const any = decisive(this.#peers.get(ANY) ?? new Map<number, Entry>(), undefined, defaultDeny);
    const verdicts: Verdict[] = [];
    for (const peer of [...this.#peers.keys()].sort((a, b) => a - b)) {
      const left = peer === ANY ? any : decisive(this.#peers.get(peer) ?? new Map<number, Entry>(), any, defaultDeny);
      for (const code of [...left.keys()].sort((a, b) => a - b)) {
        const entry = left.get(code);
        if (entry) verdicts.push(verdictOf(peer, entry));
      }
    }
    return { defaultDeny, verdicts };
  }
}

function verdictOf(peer: Identity, { key, decision, sources }: Entry): Verdict {
  return { peer, protocol: key.protocol, port: key.port, portPrefixLength: key.length, decision, sources: sortSources(sources) };
}

/**
 * Those entries that decide where they are the longest match: nothing that is as strong holds for more of the same peer, or for as much
 * of any.
 */
function decisive(entries: Entries, any: Entries | undefined, defaultDeny: boolean): Entries {
  const left: Entries = new Map();
  for (const [code, entry] of entries) {
    if (entry.decision.kind === 'allow' && !defaultDeny) continue;
    if (!isCovered(entry, code, entries, any)) left.set(code, entry);
  }
  return left;
}

function isCovered({ key, decision }: Entry, own: number, entries: Entries, any: Entries | undefined): boolean {
  if (entries.size === 1 && (!any || any.size === 0)) return false;
  for (const code of codesAround(key)) {
    if (code !== own && isAsStrong(entries.get(code), decision)) return true;
    if (any && isAsStrong(any.get(code), decision)) return true;
  }
  return false;
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

/** Most verdicts have one source, and many the same. */
const SINGLE = new WeakMap<FieldRef, readonly FieldRef[]>();

function sortSources(sources: readonly FieldRef[]): readonly FieldRef[] {
  const [only] = sources;
  if (sources.length === 1 && only) {
    const shared = SINGLE.get(only) ?? [only];
    SINGLE.set(only, shared);
    return shared;
  }
  const byKey = new Map(sources.map((source) => [sourceKey(source), source]));
  return [...byKey.keys()].sort().flatMap((key) => byKey.get(key) ?? []);
}

function sourceKey({ object, path }: FieldRef): string {
  return `${objectKey(object)} ${formatPath(path)}`;
}
