import type { ParsedDocument } from './document.ts';
import type { FileContent } from './file-content.ts';
import type { HeldFile } from './holdings.ts';

/** Whether a text looks as if its writer had not finished. `before` is absent for a new file. */
export function looksHalfWritten(before: FileContent | undefined, now: FileContent): boolean {
  const known = new Set(before?.documents.map((document) => document.parsed));
  if (now.documents.some(({ parsed }) => isWrong(parsed) && !known.has(parsed))) return true;
  if (before && now.text.length < before.text.length && before.text.startsWith(now.text)) return true;
  // JSON has an end of its own: what is cut off is no JSON any more.
  if (now.path.endsWith('.json') || now.text.endsWith('\n')) return false;
  return before === undefined || before.text.endsWith('\n') || before.text === '';
}

function isWrong(parsed: ParsedDocument): boolean {
  return parsed.broken || parsed.claims.some((claim) => claim.object === undefined);
}

/** Objects that a file held and does not hold, nor may hold, any more. `now` is absent for a file that is gone. */
export function lostKeys(before: HeldFile, now: FileContent | undefined): string[] {
  if (now?.broken) return [];
  return [...before.content.firstClaims.keys(), ...before.kept.keys()].filter((key) => !now?.firstClaims.has(key));
}
