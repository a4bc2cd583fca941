import { existsSync, lstatSync } from 'node:fs';
import { basename, normalize, sep } from 'node:path';
import type { Diagnostic } from '../../model/index.ts';
import { finding } from '../codes.ts';
import { type Believed, Doubts } from './doubts.ts';
import { FileContent } from './file-content.ts';
import { FolderError } from './folder-error.ts';
import { Holdings } from './holdings.ts';
import type { FolderLimits, FolderTiming } from './options.ts';
import { type FileReading, readManifestFile, UNKNOWN_SIGNATURE } from './read-file.ts';
import { isManifestName, type Survey, type SurveyObserver, survey } from './survey.ts';
import { Turn } from './turn.ts';

/** Told of the folders on the way of a survey; see {@link SurveyObserver}. */
export interface Lookout extends SurveyObserver {
  beginSurvey(): void;
  endSurvey(): void;
  /** Whether the last survey came through this folder. */
  isFolder(path: string): boolean;
}

/** The kernel drops events when very many come at once, and does not say so. */
const MANY_EVENTS = 1000;

/** Reads the files of folders. Knows nothing of events: it is told what to look at, and tells when to look again. */
export class FolderReader {
  readonly holdings = new Holdings();
  readonly doubts: Doubts;
  readonly #roots: readonly string[];
  readonly #limits: FolderLimits;
  readonly #lookout: Lookout | undefined;
  readonly #signatures = new Map<string, string>();
  #survey: Survey = { files: new Map(), unlisted: new Map(), absent: [] };

  /** @param lookout absent where the folders are read once. */
  constructor(roots: readonly string[], limits: FolderLimits, timing: FolderTiming, lookout?: Lookout) {
    this.#roots = roots.map((root) => normalize(root));
    this.#limits = limits;
    this.#lookout = lookout;
    this.doubts = new Doubts(this.holdings, timing);
  }

  /**
   * Reads everything, and believes it as it is.
   * @throws {@link FolderError} where a root does not exist or cannot be read.
   */
  async readAll(signal?: AbortSignal): Promise<void> {
    const turn = new Turn();
    await this.#surveyAll(turn);
    for (const root of this.#roots) {
      if (this.#survey.absent.includes(root)) throw new FolderError('NotFound', root);
      const reason = this.#survey.unlisted.get(root);
      if (reason !== undefined) throw new FolderError('Unreadable', root, reason);
    }
    for (const path of this.#survey.files.keys()) {
      if (signal?.aborted) return;
      if (turn.isOver) await turn.next();
      const content = await this.#readFile(path, turn);
      if (content) this.holdings.believe(content);
    }
  }

  /**
   * Looks at what events concern and at what is doubted, and believes what there is no reason to doubt.
   * @param entries paths at which something happened.
   * @param unclear whether something may have happened anywhere.
   */
  async look(entries: ReadonlySet<string>, unclear: boolean): Promise<Believed> {
    const turn = new Turn();
    const paths = new Set(this.doubts.paths);
    for (const entry of entries) {
      if (this.#isKnown(entry) || isManifestName(basename(entry))) paths.add(entry);
    }
    if (unclear || this.#needsSurvey(entries)) await this.#surveyChanges(paths, turn);
    for (const path of paths) {
      if (turn.isOver) await turn.next();
      if (this.#isOutOfSight(path)) this.doubts.forget(path);
      else await this.#lookAt(path, turn);
    }
    return this.doubts.believe();
  }

  /** What is wrong with the folders themselves. */
  get diagnostics(): readonly Diagnostic[] {
    const absent = this.#survey.absent.map((path) => ({
      ...finding('FolderMissing', 'is gone; all that was read from it stays until it comes back'),
      location: { file: path, line: 1, column: 1 },
    }));
    const unlisted = [...this.#survey.unlisted].map(([path, reason]) => ({
      ...finding('FileUnreadable', `cannot be read: ${reason}`),
      location: { file: path, line: 1, column: 1 },
    }));
    return [...absent, ...unlisted];
  }

  async #surveyAll(turn: Turn): Promise<void> {
    this.#lookout?.beginSurvey();
    this.#survey = await survey(this.#roots, turn, this.#lookout);
    this.#lookout?.endSurvey();
  }

  /** Looks at everything, and adds files that came, changed or went. */
  async #surveyChanges(paths: Set<string>, turn: Turn): Promise<void> {
    const before = this.#survey;
    await this.#surveyAll(turn);
    if (before.absent.some((root) => !this.#survey.absent.includes(root))) this.doubts.cameBack();
    for (const [path, signature] of this.#survey.files) {
      if (signature === UNKNOWN_SIGNATURE || this.#signatures.get(path) !== signature) paths.add(path);
    }
    for (const path of this.holdings.paths) {
      if (!this.#survey.files.has(path)) paths.add(path);
    }
  }

  #needsSurvey(entries: ReadonlySet<string>): boolean {
    if (entries.size >= MANY_EVENTS) return true;
    if (this.#roots.some((root) => existsSync(root) === this.#survey.absent.includes(root))) return true;
    return entries.values().some((entry) => this.#isStructural(entry));
  }

  /** Whether an entry is, or was, more than a plain file. */
  #isStructural(path: string): boolean {
    const name = basename(path);
    // Mounted ConfigMaps and Secrets change by their hidden link `..data`, through which all their files go.
    if (name.startsWith('.')) return name.startsWith('..');
    if (this.#lookout?.isFolder(path)) return true;
    try {
      const stats = lstatSync(path);
      return stats.isDirectory() || stats.isSymbolicLink();
    } catch {
      return false;
    }
  }

  #isKnown(path: string): boolean {
    return this.#signatures.has(path) || this.holdings.file(path) !== undefined;
  }

  /** Whether nothing can be known of a file, because a folder around it cannot be listed or a root is gone. */
  #isOutOfSight(path: string): boolean {
    const { absent, unlisted } = this.#survey;
    return [...absent, ...unlisted.keys()].some((folder) => path === folder || isUnder(path, folder));
  }

  async #lookAt(path: string, turn: Turn): Promise<void> {
    const content = await this.#readFile(path, turn);
    if (content === null) this.doubts.forget(path);
    else this.doubts.found(path, content);
  }

  /** Undefined for a file that is gone, null for one that cannot be read. */
  async #readFile(path: string, turn: Turn): Promise<FileContent | undefined | null> {
    const reading: FileReading = readManifestFile(path, this.#limits.fileBytes);
    if (reading.result === 'gone') {
      this.#signatures.delete(path);
      return undefined;
    }
    this.#signatures.set(path, reading.signature);
    if (reading.result === 'unreadable') {
      this.holdings.believeUnreadable(new FileContent(path, '', false, []), reading.finding);
      return null;
    }
    const before = this.holdings.file(path)?.content;
    const same = [this.doubts.contentOf(path), before].find((content) => content?.text === reading.text);
    return same ?? FileContent.parse(path, reading.text, reading.lossy, before, this.#limits, turn);
  }
}

function isUnder(path: string, folder: string): boolean {
  return folder === '.' || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
