import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { neighbourManifests } from './corpus.ts';
import { MUTATIONS, type MutationClass } from './mutations.ts';
import { Random } from './random.ts';

export { SECRET_VALUE } from './corpus.ts';
export type { MutationClass } from './mutations.ts';

export const MUTATION_CLASSES: readonly MutationClass[] = Object.keys(MUTATIONS).filter((name) => isMutationClass(name));

export interface FuzzFile {
  readonly content: Uint8Array;
  /** Bytes of the file; what comes after the content is zero, and takes no space on the disk. */
  readonly size: number;
}

/** A folder in which something is wrong. */
export interface MutatedFolder {
  readonly files: ReadonlyMap<string, FuzzFile>;
  /**
   * Names, which are also the namespaces, of manifests that must not notice: an Ingress with the host `NAME.example.org`, its
   * Service and an EndpointSlice.
   */
  readonly neighbours: readonly string[];
}

const HUGE_FILE_BYTES = 50_000_000;

/** The same folder for the same class and seed. Mutated objects are named `mutant`, unless the mutation is in the name. */
export function mutateManifests(mutation: MutationClass, seed: number): MutatedFolder {
  const random = new Random(seed);
  const mutated = MUTATIONS[mutation](random);
  const huge = mutation === 'oversize' && random.chance(0.1);
  const files = new Map<string, FuzzFile>([['beside.yaml', fuzzFile(neighbourManifests('beside'))]]);
  if (huge) {
    const file = fuzzFile(mutated);
    return { files: files.set('mutant.yaml', { ...file, size: HUGE_FILE_BYTES }), neighbours: ['beside'] };
  }
  files.set('mutant.yaml', fuzzFile([...neighbourManifests('before'), ...mutated, ...neighbourManifests('after')]));
  return { files, neighbours: ['before', 'after', 'beside'] };
}

/** Writes the files of a mutated folder into a folder, over those that are there. */
export function writeMutatedFolder(folder: string, { files }: MutatedFolder): void {
  for (const [name, { content, size }] of files) {
    const path = join(folder, name);
    writeFileSync(path, content);
    if (size > content.length) truncateSync(path, size);
  }
}

function fuzzFile(documents: readonly (string | Uint8Array)[]): FuzzFile {
  const content = Buffer.concat(documents.flatMap((document) => [Buffer.from(document), Buffer.from('\n---\n')]));
  return { content, size: content.length };
}

function isMutationClass(name: string): name is MutationClass {
  return Object.hasOwn(MUTATIONS, name);
}
