import { countInstructions, regexProblem } from '../../regex/index.ts';

/** What an alternative costs besides its own program. */
const ALTERNATIVE = 2;
/** A quotation runs on to the end of the whole, and names of groups must differ. */
const NOT_TO_BE_JOINED = /\\Q|\(\?P?</;

/**
 * As few expressions as can be that match what any of these does, none with a larger program than allowed: RE2 looks for all alternatives at
 * once. Those that Envoy would refuse are left out, so they match nothing.
 * @param maxProgramSize in instructions of RE2
 */
export function joinRegexes(regexes: readonly string[], maxProgramSize: number): readonly string[] {
  const joined: string[] = [];
  let batch: string[] = [];
  let size = 0;
  const finish = () => {
    if (batch.length > 0) joined.push(join(batch));
    batch = [];
    size = 0;
  };
  for (const regex of regexes.toSorted()) {
    const own = programSize(regex, maxProgramSize);
    if (own === undefined) continue;
    if (NOT_TO_BE_JOINED.test(regex)) {
      joined.push(regex);
      continue;
    }
    if (size + own + ALTERNATIVE > maxProgramSize) finish();
    batch.push(regex);
    size += own + ALTERNATIVE;
  }
  finish();
  return joined;
}

/** Whether Envoy takes the expression. */
export function isUsable(regex: string, maxProgramSize: number): boolean {
  return programSize(regex, maxProgramSize) !== undefined;
}

function join(regexes: readonly string[]): string {
  const [only = ''] = regexes;
  return regexes.length === 1 ? only : regexes.map((regex) => `(?:${regex})`).join('|');
}

/** Expressions stay as slots are compiled again and again; compiling one takes far longer than all the rest of its rule. */
const sizes = new Map<string, number | undefined>();
const MAX_SIZES = 20_000;

/** Undefined for one that Envoy refuses. */
function programSize(regex: string, maxProgramSize: number): number | undefined {
  const key = `${maxProgramSize} ${regex}`;
  if (sizes.has(key)) return sizes.get(key);
  const isRefused = regexProblem(regex, maxProgramSize) !== undefined;
  const size = isRefused ? undefined : countInstructions(Buffer.from(regex, 'utf8').toString('latin1'));
  if (sizes.size >= MAX_SIZES) sizes.clear();
  sizes.set(key, size);
  return size;
}
