import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BpfError, type BpfMap, createMap, MapType, openMap } from 'libbpf-ts';
import type { Identity, SubjectPolicy } from '../../model/index.ts';
import { fullWhere } from './full.ts';
import { verdict, verdict_key } from './gen/policy.ts';
import { Pace } from './pace.ts';
import type { VerdictDifference } from './verdict-change.ts';
import {
  decidesSame,
  encodeValue,
  listEntries,
  nameKey,
  type PortOf,
  type VerdictEntry,
  type VerdictKey,
  type VerdictValue,
} from './verdict-entries.ts';

export type Trie = BpfMap<VerdictKey, VerdictValue> & Disposable;

const NO_PREALLOC = 1;
/** Fewer than these are written without leaving the event loop. */
const SINGLY = 64;

/**
 * The tries of subjects. Each is pinned in a folder beside the map that has them all: the kernel gives only identifiers of maps
 * that are inside of others, and to open one by that needs more capabilities than the agent has.
 */
export class VerdictTries {
  readonly #outer: BpfMap<Identity, number>;
  readonly #folder: string;
  readonly #maxEntries: number;

  /** @param maxEntries of one trie */
  constructor(outer: BpfMap<Identity, number>, folder: string, maxEntries: number) {
    this.#outer = outer;
    this.#folder = folder;
    this.#maxEntries = maxEntries;
    mkdirSync(folder, { recursive: true });
    // Of replacements that were interrupted.
    for (const name of readdirSync(folder)) if (!/^\d+$/.test(name)) rmSync(join(folder, name), { force: true });
  }

  /** Those that the kernel judges by. */
  subjects(): readonly Identity[] {
    return Array.from(this.#outer.entries(), ([subject]) => subject);
  }

  /** The trie that is in force; undefined where there is none, or it is one that this cannot be opened. */
  open(subject: Identity): Trie | undefined {
    const id = this.#outer.get(subject);
    if (id === undefined) return undefined;
    try {
      const trie = openMap(this.#path(subject), verdict_key, verdict);
      if (trie.id === id) return trie;
      trie[Symbol.dispose]();
    } catch (error) {
      if (!(error instanceof BpfError) || (error.code !== 'not-found' && error.code !== 'layout-mismatch')) throw error;
    }
    return undefined;
  }

  /** A trie for a policy, in no place yet. @throws DatapathError `maps-full` or `refused` */
  async make(policy: SubjectPolicy, portOf: PortOf): Promise<Trie> {
    using unfinished = new DisposableStack();
    const options = { name: 'subject_verdict', type: MapType.lpmTrie, maxEntries: this.#maxEntries, flags: NO_PREALLOC };
    const trie = unfinished.use(await fullWhere('verdicts', () => createMap(options, verdict_key, verdict)));
    await writeEntries(trie, [...listEntries(policy, portOf)]);
    unfinished.move();
    return trie;
  }

  /** Puts tries in force, each at once and in place of what was. */
  async put(tries: ReadonlyMap<Identity, Trie>): Promise<void> {
    for (const [subject, trie] of tries) {
      rmSync(`${this.#path(subject)}_new`, { force: true });
      trie.pin(`${this.#path(subject)}_new`);
    }
    await fullWhere('verdicts', () => this.#outer.setAll([...tries].map(([subject, trie]) => [subject, trie.fd] as const)));
    for (const subject of tries.keys()) renameSync(`${this.#path(subject)}_new`, this.#path(subject));
  }

  remove(subject: Identity): void {
    this.#outer.delete(subject);
    rmSync(this.#path(subject), { force: true });
  }

  #path(subject: Identity): string {
    return join(this.#folder, String(subject));
  }
}

/** What must be written to a trie and removed from it for a policy to be in force; others have their turn in between. */
export async function compareWithTrie(trie: Trie, policy: SubjectPolicy, portOf: PortOf): Promise<VerdictDifference> {
  const pace = new Pace();
  const wanted = new Map<string, VerdictEntry>();
  for (const entry of listEntries(policy, portOf)) {
    wanted.set(nameKey(entry.key), entry);
    if (pace.isDue) await pace.rest();
  }
  const right = new Set<string>();
  const removed: VerdictEntry[] = [];
  for await (const batch of trie.batches()) {
    for (const [key, { decision, slot }] of batch) {
      const name = nameKey(key);
      const entry = wanted.get(name);
      if (!entry) removed.push({ key, decision, slot });
      else if (decidesSame(entry, { decision, slot })) right.add(name);
      if (pace.isDue) await pace.rest();
    }
  }
  const written: VerdictEntry[] = [];
  for (const [name, entry] of wanted) {
    if (!right.has(name)) written.push(entry);
    if (pace.isDue) await pace.rest();
  }
  return { written, removed, size: wanted.size };
}

/** @throws DatapathError `maps-full` or `refused` */
export async function writeEntries(trie: Trie, entries: readonly VerdictEntry[]): Promise<void> {
  await fullWhere('verdicts', async () => {
    if (entries.length > SINGLY) await trie.setAll(entries.map((entry) => [entry.key, encodeValue(entry)] as const));
    else for (const entry of entries) trie.set(entry.key, encodeValue(entry));
  });
}

export function removeEntries(trie: Trie, entries: readonly VerdictEntry[]): void {
  for (const { key } of entries) trie.delete(key);
}
