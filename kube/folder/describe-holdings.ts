import type { Diagnostic, Location } from '../../model/index.ts';
import { finding, lastGoodKept } from '../codes.ts';
import { type KubeObject, refOf } from '../object.ts';
import type { FileContent } from './file-content.ts';
import type { HeldFile, Offer } from './holdings.ts';

const MAX_FILE_DIAGNOSTICS = 1000;
/** Told of one object. */
const MAX_DUPLICATES = 20;

/** All that is wrong with a file. `stands` says whether content that the file keeps is what counts for the object. */
export function* describeFile(file: HeldFile, stands: (key: string, object: KubeObject) => boolean): Generator<Diagnostic> {
  const { content, kept, trouble } = file;
  if (trouble) yield { ...trouble, message: `the file ${trouble.message}`, location: { file: content.path, line: 1, column: 1 } };
  yield* describeDocuments(content);
  const standing = [...kept].filter(([key, object]) => stands(key, object));
  for (const [key, object] of standing) {
    const claim = content.firstClaims.get(key);
    if (!claim) continue;
    yield { ...lastGoodKept(), object: refOf(object), location: content.placeOfClaim(claim) };
  }
  const hidden = standing.filter(([key]) => !content.firstClaims.has(key));
  if (hidden.length > 0)
    yield { ...finding('LastGoodKept', keptMessage(hidden.map(([, object]) => object))), location: brokenPlace(content) };
}

function* describeDocuments(content: FileContent): Generator<Diagnostic> {
  const placed = content.documents.flatMap((document) => document.parsed.findings.map((entry) => ({ ...entry, start: document.start })));
  for (const { finding, ref, offset, start } of placed.slice(0, MAX_FILE_DIAGNOSTICS)) {
    const location = content.placeOf(start + offset);
    yield ref ? { ...finding, object: ref, location } : { ...finding, location };
  }
  const rest = placed.length - MAX_FILE_DIAGNOSTICS;
  if (rest > 0) yield { ...finding('InvalidObject', `${rest} more findings in this file are not told`), location: brokenPlace(content) };
}

/** Which place of an object, of several, does not count. `offers` are in order of precedence. */
export function* describeContest([first, ...others]: readonly Offer[]): Generator<Diagnostic> {
  if (!first?.place) return;
  const winner = first.place.content.placeOfClaim(first.place.claim);
  const message = `stands in ${winner.file}:${winner.line} already, which is what is read`;
  for (const { object, place } of others.slice(0, MAX_DUPLICATES)) {
    if (!place) continue;
    yield { ...finding('DuplicateObject', message), object: refOf(object), location: place.content.placeOfClaim(place.claim) };
  }
}

/** The first document of a file that cannot be read, else its beginning. */
export function brokenPlace(content: FileContent): Location {
  return content.placeOf(content.documents.find((document) => document.parsed.broken)?.start ?? 0);
}

function keptMessage(objects: readonly KubeObject[]): string {
  const names = objects.slice(0, 3).map((object) => {
    const { kind, namespace, name } = refOf(object);
    return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
  });
  const rest = objects.length > names.length ? ` and ${objects.length - names.length} more` : '';
  return `what stood in this file before is kept until all of it can be read: ${names.join(', ')}${rest}`;
}
