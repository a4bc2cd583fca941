import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';

/** The files that a build may copy: those below a folder that `.dockerignore` does not leave out. */
export class BuildContext {
  readonly folder: string;
  readonly #ignored: readonly string[];

  constructor(folder: string) {
    this.folder = folder;
    const lines = readFileSync(join(folder, '.dockerignore'), 'utf8').split('\n');
    this.#ignored = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  }

  /** Paths of files and links below a path, relative to the folder, sorted. */
  list(path: string): readonly string[] {
    const found: string[] = [];
    this.#walk(path === '.' ? '' : path.replace(/\/$/, ''), found);
    return found.sort();
  }

  /** Differs where any name, mode or content does. */
  digest(path: string): string {
    const hash = createHash('sha256');
    for (const file of this.list(path)) {
      const full = join(this.folder, file);
      const stat = lstatSync(full);
      const content = stat.isSymbolicLink() ? readlinkSync(full) : createHash('sha256').update(readFileSync(full)).digest('hex');
      hash.update(JSON.stringify([file, stat.mode, content]));
    }
    return hash.digest('hex');
  }

  #walk(path: string, found: string[]): void {
    if (path !== '' && this.#ignored.some((pattern) => matchesGlob(path, pattern))) return;
    if (!lstatSync(join(this.folder, path)).isDirectory()) {
      found.push(path);
      return;
    }
    for (const name of readdirSync(join(this.folder, path))) this.#walk(path === '' ? name : `${path}/${name}`, found);
  }
}
