/** A piece of a file's text, `start` characters from its beginning. */
export interface Piece {
  readonly text: string;
  readonly start: number;
}

const SEPARATOR = /^---(?:[ \t]|-*[ \t]*\r?$)/;

/**
 * Cuts a file into its documents at lines that begin with `---`, by nothing but the text, so that one document that is
 * not YAML leaves the others alone, as Kubernetes' own reader does. A document begins with its separator, whose line may hold content;
 * rulers of more dashes separate too, and belong to no document.
 * @param limit how many pieces to make at most; the last one then holds all the rest.
 * @see https://github.com/kubernetes/apimachinery/blob/master/pkg/util/yaml/decoder.go
 */
export function splitDocuments(text: string, limit: number): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  let at = text.startsWith('---') ? 0 : next(text, 0);
  while (at !== -1 && pieces.length < limit - 1) {
    const end = lineEnd(text, at);
    const line = text.slice(at, Math.min(end, at + 100));
    if (SEPARATOR.test(line)) {
      if (at > start) pieces.push({ text: text.slice(start, at), start });
      start = line.startsWith('----') ? end : at;
    }
    at = next(text, at);
  }
  if (start < text.length) pieces.push({ text: text.slice(start), start });
  return pieces;
}

/** The beginning of the next line that begins with `---`, or -1. */
function next(text: string, from: number): number {
  const at = text.indexOf('\n---', from);
  return at === -1 ? -1 : at + 1;
}

function lineEnd(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at === -1 ? text.length : at;
}
