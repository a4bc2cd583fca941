import { compareText, type Direction, type FieldRef, type ObjectRef, objectKey } from '../../model/index.ts';

/** By whose rules something passed, as Envoy tells of it: as the name of what decided. */
export interface Decision {
  readonly direction: Direction;
  /** Those that allow it, without what else they say; sorted. Where one look at a request is for rules of several, all of these. */
  readonly by: readonly ObjectRef[];
}

/** Of each request that is told of, so it is not to be long. */
const MOST = 8;

/** `ingress CiliumNetworkPolicy/shop/web`: names of objects have neither spaces nor slashes. */
export function formatDecision(direction: Direction, sources: readonly Pick<FieldRef, 'object'>[]): string {
  const keys = new Set(sources.map(({ object }) => objectKey(object)));
  return [direction, ...[...keys].sort(compareText).slice(0, MOST)].join(' ');
}

/** @returns undefined for what is none, or none that this version knows */
export function parseDecision(text: string): Decision | undefined {
  const [direction, ...keys] = text.split(' ');
  if (direction !== 'ingress' && direction !== 'egress') return undefined;
  const by = keys.map((key) => {
    const [kind = '', namespace = '', name = ''] = key.split('/');
    return { kind, namespace, name };
  });
  return { direction, by };
}
