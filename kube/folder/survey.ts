import { type Dirent, lstatSync, readdirSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join, normalize, resolve } from 'node:path';
import { isAbsent, reasonOf } from './folder-error.ts';
import { signatureOf, UNKNOWN_SIGNATURE } from './read-file.ts';
import type { Turn } from './turn.ts';

/** What is there at one moment, under some folders or files. */
export interface Survey {
  /** Every manifest by its path, with its signature; {@link UNKNOWN_SIGNATURE} where it cannot be told. */
  readonly files: ReadonlyMap<string, string>;
  /** Folders that are there but cannot be listed, with the reason. */
  readonly unlisted: ReadonlyMap<string, string>;
  /** Roots with nothing at their path. */
  readonly absent: readonly string[];
}

/** Told of every folder before it is looked into, so that no change is missed in between. */
export interface SurveyObserver {
  /** A folder whose files and folders are read. `identity` is another one when the folder was replaced by another. */
  onFolder(path: string, identity: string): void;
  /** An entry that a root or a symbolic link leads through, and whose change may change what is there. */
  onLinked(folder: string, identity: string, name: string): void;
}

const MAX_HOPS = 40;
const MANIFEST = /\.(?:ya?ml|json)$/i;

/** Whether a file of this name, found in a folder, is read. Hidden files are not. */
export function isManifestName(name: string): boolean {
  return !name.startsWith('.') && MANIFEST.test(name);
}

/**
 * Lists all manifests in folders and the folders in them. A root may be a file, of any name. Symbolic links are followed; a folder that can
 * be reached in several ways is read once, in the way with the fewest folders, then first by name.
 */
export async function survey(roots: readonly string[], turn: Turn, observer?: SurveyObserver): Promise<Survey> {
  const walk = new Walk(observer);
  for (const root of roots) walk.addRoot(normalize(root));
  for (let folder = walk.next(); folder !== undefined; folder = walk.next()) {
    for (const entry of walk.list(folder)) {
      if (turn.isOver) await turn.next();
      walk.addEntry(folder, entry);
    }
  }
  return walk;
}

class Walk implements Survey {
  readonly files = new Map<string, string>();
  readonly unlisted = new Map<string, string>();
  readonly absent: string[] = [];
  readonly #observer: SurveyObserver | undefined;
  readonly #visited = new Set<string>();
  readonly #queue: string[] = [];

  constructor(observer: SurveyObserver | undefined) {
    this.#observer = observer;
  }

  addRoot(root: string): void {
    this.#observeAncestor(root);
    this.#observeLink(root);
    try {
      this.#add(root, statSync(root), true);
    } catch (error) {
      if (isAbsent(error)) this.absent.push(root);
      else this.unlisted.set(root, reasonOf(error));
    }
  }

  next(): string | undefined {
    return this.#queue.shift();
  }

  list(folder: string): Dirent[] {
    try {
      return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      if (!isAbsent(error)) this.unlisted.set(folder, reasonOf(error));
      return [];
    }
  }

  addEntry(folder: string, entry: Dirent): void {
    if (entry.name.startsWith('.')) return;
    const named = isManifestName(entry.name);
    if (!named && !entry.isDirectory() && !entry.isSymbolicLink()) return;
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) this.#observeLink(path);
    try {
      this.#add(path, statSync(path), named);
    } catch (error) {
      if (named && !isAbsent(error)) this.files.set(path, UNKNOWN_SIGNATURE);
    }
  }

  #add(path: string, stats: Stats, named: boolean): void {
    if (stats.isFile()) {
      if (named) this.files.set(path, signatureOf(stats));
      return;
    }
    const identity = identityOf(stats);
    if (!stats.isDirectory() || this.#visited.has(identity)) return;
    this.#visited.add(identity);
    this.#observer?.onFolder(path, identity);
    this.#queue.push(path);
  }

  /** A root that comes, goes or is replaced is an event in the nearest folder around it that exists. */
  #observeAncestor(root: string): void {
    let path = resolve(root);
    while (dirname(path) !== path) {
      const parent = dirname(path);
      if (this.#observe(parent, basename(path))) return;
      path = parent;
    }
  }

  /** What a link leads to may lie outside of all that is watched, and each link on the way can change. */
  #observeLink(path: string): void {
    if (!this.#observer) return;
    let link = resolve(path);
    try {
      for (let hop = 0; hop < MAX_HOPS && lstatSync(link).isSymbolicLink(); hop++) {
        const target = resolve(realpathSync(dirname(link)), readlinkSync(link));
        link = join(realpathSync(dirname(target)), basename(target));
        this.#observe(dirname(link), basename(link));
      }
    } catch {
      // A link to nowhere, or in a circle: there is nothing more of it to watch.
    }
  }

  #observe(folder: string, name: string): boolean {
    try {
      const stats = statSync(folder);
      if (!stats.isDirectory()) return false;
      this.#observer?.onLinked(folder, identityOf(stats), name);
      return true;
    } catch {
      return false;
    }
  }
}

function identityOf(stats: Stats): string {
  return `${stats.dev}:${stats.ino}`;
}
