import { VISIBILITY_ANNOTATION } from '../../kube/index.ts';
import { type FieldRef, objectKey } from '../../model/index.ts';

/** Where a slot comes from that no policy asks for. */
export const VISIBILITY: FieldRef = {
  object: { kind: 'Pod', namespace: '', name: '' },
  path: ['metadata', 'annotations', VISIBILITY_ANNOTATION],
};

/** The same sources, each once, in the order in which rules are read: by the key of their object, then by their place in it. */
export function sortSources(sources: Iterable<FieldRef>): FieldRef[] {
  const sorted = [...new Set(sources)].sort(compareSources);
  return sorted.filter((source, index) => {
    const before = sorted[index - 1];
    return !before || !isSameSource(source, before);
  });
}

/** Whether both are the same place. */
export function isSameSource(a: FieldRef, b: FieldRef): boolean {
  return a === b || compareSources(a, b) === 0;
}

/** @returns negative if the first comes first, 0 if both are the same place */
export function compareSources(a: FieldRef, b: FieldRef): number {
  if (a.object !== b.object) {
    const keys = [objectKey(a.object), objectKey(b.object)] as const;
    if (keys[0] !== keys[1]) return keys[0] < keys[1] ? -1 : 1;
  }
  for (let index = 0; index < Math.max(a.path.length, b.path.length); index++) {
    const difference = compareParts(a.path[index], b.path[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareParts(a: string | number | undefined, b: string | number | undefined): number {
  if (a === b) return 0;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  return String(a) < String(b) ? -1 : 1;
}
