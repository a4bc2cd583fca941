import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The documents of a manifest, as they are separated by lines of `---`. */
export function splitDocuments(manifest: string): readonly string[] {
  return manifest.split(/^---$\n?/m).filter((document) => /^[^#\s]/m.test(document));
}

/**
 * Writes documents into some files of a folder, in an order and a division that depend on nothing but the seed.
 * @param files how many at most
 */
export function writeShuffled(documents: readonly string[], folder: string, files: number, seed: number): void {
  const random = randomOf(seed);
  const contents = new Map<number, string[]>();
  for (const document of shuffle(documents, random)) {
    const file = Math.floor(random() * files);
    const content = contents.get(file) ?? [];
    content.push(document.endsWith('\n') ? document : `${document}\n`);
    contents.set(file, content);
  }
  for (const [file, content] of contents) writeFileSync(join(folder, `${file}.yaml`), content.join('---\n'));
}

/** Fisher and Yates. */
function shuffle<T>(items: readonly T[], random: () => number): readonly T[] {
  const left = [...items];
  const shuffled: T[] = [];
  while (left.length > 0) shuffled.push(...left.splice(Math.floor(random() * left.length), 1));
  return shuffled;
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
