import type { FieldPath, Location } from '../../model/index.ts';
import { LineIndex, YamlPlaces } from '../../yaml/index.ts';
import type { KubeObject } from '../object.ts';
import { type Claim, type ParsedDocument, parseDocument, tooManyDocuments } from './document.ts';
import type { FolderLimits } from './options.ts';
import { type Piece, splitDocuments } from './split.ts';
import type { Turn } from './turn.ts';

interface FileDocument extends Piece {
  readonly parsed: ParsedDocument;
}

/** A claim and the document of the file that makes it. */
export interface FileClaim {
  readonly claim: Claim;
  readonly document: FileDocument;
}

/** What one text of a file says. Never changes. */
export class FileContent {
  readonly path: string;
  readonly text: string;
  readonly documents: readonly FileDocument[];
  /** In the order in which they stand in the file. */
  readonly claims: readonly FileClaim[];
  /** The first claim for each object; one whose text is right, if there is one. */
  readonly firstClaims: ReadonlyMap<string, FileClaim>;
  /** Whether there may be objects in it that cannot be told. */
  readonly broken: boolean;
  readonly #lossy: boolean;
  readonly #claimPlaces = new Map<FileClaim, Location>();
  #lines: LineIndex | undefined;

  constructor(path: string, text: string, lossy: boolean, documents: readonly FileDocument[]) {
    this.path = path;
    this.text = text;
    this.#lossy = lossy;
    this.documents = documents;
    this.claims = documents.flatMap((document) => document.parsed.claims.map((claim) => ({ claim, document })));
    this.firstClaims = firstClaims(this.claims);
    this.broken = documents.some((document) => document.parsed.broken);
  }

  /**
   * Reads the objects in a text. Documents that stand in `before` with the same text are not read again, and their objects
   * are the same ones.
   */
  static async parse(
    path: string,
    text: string,
    lossy: boolean,
    before: FileContent | undefined,
    limits: FolderLimits,
    turn: Turn,
  ): Promise<FileContent> {
    const known = before && before.#lossy === lossy ? before.#byText() : new Map<string, ParsedDocument>();
    const documents: FileDocument[] = [];
    for (const piece of splitDocuments(text, limits.documents + 1)) {
      if (turn.isOver) await turn.next();
      const tooMany = documents.length === limits.documents;
      const parsed = tooMany ? tooManyDocuments(limits) : (known.get(piece.text) ?? parseDocument(detach(piece.text), lossy, limits));
      documents.push({ ...piece, parsed });
    }
    return new FileContent(path, text, lossy, documents);
  }

  #byText(): Map<string, ParsedDocument> {
    return new Map(this.documents.map((document) => [document.text, document.parsed]));
  }

  /** What this file has an object be; undefined where it has none whose text is right. */
  objectOf(key: string): KubeObject | undefined {
    return this.firstClaims.get(key)?.claim.object;
  }

  placeOf(offset: number): Location {
    this.#lines ??= new LineIndex(this.text);
    return { file: this.path, ...this.#lines.placeOf(offset) };
  }

  /** Where an object begins. */
  placeOfClaim(claim: FileClaim): Location {
    const known = this.#claimPlaces.get(claim);
    if (known) return known;
    const place = this.locate(claim, []);
    this.#claimPlaces.set(claim, place);
    return place;
  }

  locate({ claim, document }: FileClaim, path: FieldPath): Location {
    return this.placeOf(document.start + new YamlPlaces(document.text).offsetOf([...claim.prefix, ...path]));
  }
}

function firstClaims(claims: readonly FileClaim[]): Map<string, FileClaim> {
  const first = new Map<string, FileClaim>();
  for (const entry of claims) {
    const { key, object } = entry.claim;
    const earlier = first.get(key);
    if (!earlier || (!earlier.claim.object && object)) first.set(key, entry);
  }
  return first;
}

/**
 * A copy with memory of its own. A part of a string keeps the whole of it alive, and values of an object are parts of the
 * document that it was read from: without this, an object would hold on to the file as it was when the object last changed.
 */
function detach(text: string): string {
  return Buffer.from(text).toString();
}
