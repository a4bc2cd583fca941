import { RE2JS, RE2JSException } from 're2js';
import { estimateProgramSize } from './program-size.ts';

/** Far more than any path needs, and little enough to be compiled at once. */
const MAX_BYTES = 4096;

/** The Unicode classes that every version of RE2 knows and that can hold a byte. */
const CATEGORY = /^(?:C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?|Any|Latin|Common)$/;
const UNICODE_CLASS = /\\[pP](?:\{\^?([^}]*)\}|(.))/g;
const ESCAPED_BACKSLASH = /\\\\/g;
const WIDE_ESCAPE = /\\x\{0*([0-9A-Fa-f]{3,})\}/;

/**
 * Says what is wrong with a regular expression in the eyes of Envoy, which matches bytes with RE2; undefined if nothing
 * is. Stricter than Envoy where the two could differ, since what Envoy refuses takes its whole resource with it.
 *
 * @param maxProgramSize the largest program that Envoy is set to take, in instructions
 * @see https://github.com/google/re2/wiki/Syntax
 */
export function regexProblem(pattern: string, maxProgramSize: number): string | undefined {
  const bytes = Buffer.from(pattern, 'utf8');
  if (bytes.length > MAX_BYTES) return `is longer than ${MAX_BYTES} bytes`;
  const latin1 = bytes.toString('latin1');
  const escapes = latin1.replaceAll(ESCAPED_BACKSLASH, '');
  if (WIDE_ESCAPE.test(escapes)) return 'has an escape for more than one byte';
  for (const [whole, braced, letter] of escapes.matchAll(UNICODE_CLASS)) {
    if (!CATEGORY.test(braced ?? letter ?? '')) return `has an unknown character class ${whole}`;
  }
  const estimate = estimateProgramSize(latin1);
  // Compiling what repeats itself a million times, only to count, would stop the process for seconds.
  if (estimate > maxProgramSize) return tooLarge(estimate, maxProgramSize);
  try {
    const size = countInstructions(latin1);
    return size > maxProgramSize ? tooLarge(size, maxProgramSize) : undefined;
  } catch (error) {
    if (error instanceof RE2JSException) return `is not understood: ${error.message.replace(/^error parsing regexp: /, '')}`;
    throw error;
  }
}

function tooLarge(size: number, maxProgramSize: number): string {
  return `compiles to ${size} instructions, more than the ${maxProgramSize} allowed`;
}

/**
 * No less than what RE2 comes to, for a pattern whose characters stand for bytes. Throws RE2JSException if it is none.
 * Programs of RE2 match bytes, so that a class of characters costs an instruction for each of its ranges, where RE2JS has
 * one for the whole class.
 */
export function countInstructions(latin1: string): number {
  const instructions: readonly { readonly runes: ArrayLike<number> }[] = RE2JS.compile(latin1).re2().prog.inst;
  let size = instructions.length + 2;
  for (const { runes } of instructions) {
    let ranges = 0;
    for (let index = 0; index < runes.length; index += 2) {
      if ((runes[index] ?? 0) <= 0xff) ranges++;
    }
    size += Math.max(0, ranges - 1);
  }
  return size;
}

/** Whether a pattern can match only the text that it consists of. */
export function isLiteral(pattern: string): boolean {
  return !/[\\^$.|?*+()[\]{}]/.test(pattern);
}
