import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../../agent/index.ts';
import type { Action, SluiceIdentity } from '../../kube/index.ts';
import type { ObjectRef } from '../../model/index.ts';

const FILE = 'identities.json';
const labels = z.array(z.string()).min(1);
const record = z.record(z.string().regex(/^[1-9]\d{0,9}$/), labels);
const written = z.object({ spec: z.object({ labels }) });

export interface NumberChanges {
  readonly upserts: readonly SluiceIdentity[];
  readonly removals: readonly ObjectRef[];
}

/**
 * The numbers of identities where no cluster keeps them, in a file: what is pinned in the kernel is by these numbers, and must mean the same
 * to the next process.
 */
export class IdentityNumbers {
  readonly #path: string;
  readonly #labels: Map<string, readonly string[]>;

  private constructor(path: string, known: Readonly<Record<string, readonly string[]>>) {
    this.#path = path;
    this.#labels = new Map(Object.entries(known));
  }

  /** A file that cannot be read is as none. */
  static open(stateFolder: string): IdentityNumbers {
    const path = join(stateFolder, FILE);
    try {
      return new IdentityNumbers(path, record.parse(JSON.parse(readFileSync(path, 'utf8'))));
    } catch {
      return new IdentityNumbers(path, {});
    }
  }

  objects(): SluiceIdentity[] {
    return [...this.#labels].map(([name, of]) => objectOf(name, of));
  }

  /**
   * Does what a cluster's API server would be asked for, of identities.
   * @returns what is different then
   * @throws as the file system does; nothing is different then
   */
  take(actions: Iterable<Action>): NumberChanges {
    const after = new Map(this.#labels);
    const upserts: SluiceIdentity[] = [];
    const removals: ObjectRef[] = [];
    for (const action of actions) {
      if (action.ref.kind !== 'SluiceIdentity') continue;
      const { name } = action.ref;
      if (action.kind === 'delete' && after.delete(name)) removals.push(action.ref);
      if (action.kind !== 'apply') continue;
      const { spec } = written.parse(action.manifest);
      after.set(name, spec.labels);
      upserts.push(objectOf(name, spec.labels));
    }
    if (upserts.length + removals.length === 0) return { upserts, removals };
    replaceFile(this.#path, `${JSON.stringify(Object.fromEntries(after))}\n`);
    this.#labels.clear();
    for (const [name, of] of after) this.#labels.set(name, of);
    return { upserts, removals };
  }
}

function objectOf(name: string, of: readonly string[]): SluiceIdentity {
  const metadata = { name, namespace: '', uid: name, labels: {}, annotations: {} };
  return { apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceIdentity', metadata, spec: { labels: [...of] } };
}
