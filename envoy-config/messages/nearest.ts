import { editDistance } from '../../model/index.ts';

const MAX_DISTANCE = 4;
/** Longer names are compared by nobody's eye, and comparing costs the product of the lengths. */
const MAX_LENGTH = 100;

/** The candidate that was probably meant by a name that is none of them, the first of those that are equally near. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  const written = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(MAX_DISTANCE, Math.ceil(name.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(written, candidate.toLowerCase());
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** Continues a message; empty where there is nothing to suggest. */
export function suggest(nearest: string | undefined): string {
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
