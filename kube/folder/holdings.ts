import { type Diagnostic, type FieldPath, type Location, type ObjectRef, objectKey } from '../../model/index.ts';
import type { Finding } from '../codes.ts';
import { DeliveredObjects, type ObjectDifference } from '../delivered-objects.ts';
import type { KubeObject } from '../object.ts';
import { brokenPlace, describeContest, describeFile } from './describe-holdings.ts';
import type { FileClaim, FileContent } from './file-content.ts';

/** A place that offers content for an object. */
export interface Offer {
  readonly file: string;
  /** Among the offers of its file. */
  readonly order: number;
  readonly object: KubeObject;
  /** Where its text stands; absent for content that is kept though no text says it any more. */
  readonly place?: { readonly content: FileContent; readonly claim: FileClaim };
}

/** What a file is believed to hold. */
export interface HeldFile {
  readonly content: FileContent;
  /** Objects that the file held before and that its present text, being wrong somewhere, gives no more. */
  readonly kept: ReadonlyMap<string, KubeObject>;
  /** Why the file could not be read the last time; its content is then that of before. */
  readonly trouble: Finding | undefined;
}

/** The difference that changes of files have made to objects. */
export interface Change extends ObjectDifference {
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Which objects stand, given what every file holds. Of several places for an object the first by file, then position, stands whose
 * text is right; content that is kept stands only where no text is right.
 */
export class Holdings {
  readonly #files = new Map<string, HeldFile>();
  readonly #offers = new Map<string, Offer[]>();
  readonly #delivered = new DeliveredObjects();
  readonly #contestedKeys = new Set<string>();
  readonly #troubledFiles = new Set<string>();
  #diagnosticsChanged = false;

  get paths(): IterableIterator<string> {
    return this.#files.keys();
  }

  file(path: string): HeldFile | undefined {
    return this.#files.get(path);
  }

  /** Whether some file other than `path` has this object with a right text. */
  isElsewhere(key: string, path: string): boolean {
    return this.#offers.get(key)?.some((offer) => offer.file !== path && offer.place) ?? false;
  }

  /** The content of a file is now this. */
  believe(content: FileContent): void {
    const before = this.#files.get(content.path);
    const kept = new Map<string, KubeObject>();
    for (const [key, object] of heldObjects(before)) {
      if (content.objectOf(key) === undefined && (content.broken || content.firstClaims.has(key))) kept.set(key, object);
    }
    this.#replace(content.path, before, { content, kept, trouble: undefined });
  }

  /** A file is there, but cannot be read. What it held before stays. */
  believeUnreadable(empty: FileContent, trouble: Finding): void {
    const before = this.#files.get(empty.path);
    if (before?.trouble?.message === trouble.message) return;
    this.#replace(empty.path, before, { content: before?.content ?? empty, kept: before?.kept ?? new Map(), trouble });
  }

  /** A file is gone, and its objects with it. */
  believeGone(path: string): void {
    this.#replace(path, this.#files.get(path), undefined);
  }

  #replace(path: string, before: HeldFile | undefined, after: HeldFile | undefined): void {
    const touched = new Set<string>();
    for (const key of keysOf(before)) {
      touched.add(key);
      this.#withdraw(key, path);
    }
    if (after) this.#files.set(path, after);
    else this.#files.delete(path);
    for (const [key, offer] of offersOf(path, after)) {
      touched.add(key);
      const offers = this.#offers.get(key);
      if (offers) offers.push(offer);
      else this.#offers.set(key, [offer]);
    }
    for (const key of touched) this.#settle(key);
    if (isTroubled(before) || isTroubled(after)) this.#diagnosticsChanged = true;
    if (isTroubled(after)) this.#troubledFiles.add(path);
    else this.#troubledFiles.delete(path);
  }

  #withdraw(key: string, path: string): void {
    const rest = this.#offers.get(key)?.filter((offer) => offer.file !== path) ?? [];
    if (rest.length > 0) this.#offers.set(key, rest);
    else this.#offers.delete(key);
  }

  #settle(key: string): void {
    this.#delivered.touch(key);
    const offers = this.#offers.get(key) ?? [];
    if (offers.length > 1) offers.sort(compareOffers);
    const contested = offers.length > 1 && offers[1]?.place !== undefined;
    if (contested || this.#contestedKeys.has(key)) this.#diagnosticsChanged = true;
    if (contested) this.#contestedKeys.add(key);
    else this.#contestedKeys.delete(key);
  }

  /** What changed since this was asked last; undefined where nothing did. */
  takeChange(extra: readonly Diagnostic[], extraChanged: boolean): Change | undefined {
    const { upserts, removals } = this.#delivered.take((key) => this.#offers.get(key)?.[0]?.object);
    if (upserts.length === 0 && removals.length === 0 && !this.#diagnosticsChanged && !extraChanged) return undefined;
    this.#diagnosticsChanged = false;
    return { upserts, removals, diagnostics: [...extra, ...this.#diagnostics()] };
  }

  locate(ref: ObjectRef, path: FieldPath): Location | undefined {
    const offer = this.#offers.get(objectKey(ref))?.[0];
    const content = offer && this.#files.get(offer.file)?.content;
    if (!content) return undefined;
    const claim = offer.place?.claim ?? content.firstClaims.get(objectKey(ref));
    return claim ? content.locate(claim, path) : brokenPlace(content);
  }

  *#diagnostics(): Generator<Diagnostic> {
    for (const path of [...this.#troubledFiles].sort()) {
      const file = this.#files.get(path);
      if (file) yield* describeFile(file, (key, object) => this.#offers.get(key)?.[0]?.object === object);
    }
    for (const key of [...this.#contestedKeys].sort()) yield* describeContest(this.#offers.get(key) ?? []);
  }
}

function compareOffers(a: Offer, b: Offer): number {
  if ((a.place === undefined) !== (b.place === undefined)) return a.place ? -1 : 1;
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.order - b.order;
}

function* heldObjects(file: HeldFile | undefined): Generator<[string, KubeObject]> {
  if (!file) return;
  yield* file.kept;
  for (const [key, { claim }] of file.content.firstClaims) {
    if (claim.object) yield [key, claim.object];
  }
}

function* keysOf(file: HeldFile | undefined): Generator<string> {
  if (!file) return;
  yield* file.kept.keys();
  yield* file.content.firstClaims.keys();
}

function* offersOf(path: string, file: HeldFile | undefined): Generator<[string, Offer]> {
  if (!file) return;
  for (const [order, claim] of file.content.claims.entries()) {
    const { key, object } = claim.claim;
    if (object) yield [key, { file: path, order, object, place: { content: file.content, claim } }];
  }
  for (const [key, object] of file.kept) yield [key, { file: path, order: 0, object }];
}

function isTroubled(file: HeldFile | undefined): boolean {
  if (!file) return false;
  return file.trouble !== undefined || file.kept.size > 0 || file.content.documents.some(({ parsed }) => parsed.findings.length > 0);
}
