import type { Direction, Slot } from '../../model/index.ts';

export type SlotKind = Slot['rules']['kind'];

/** The cluster that takes connections of slots of a kind to where their clients wanted to go. */
export function originalDestinationCluster(direction: Direction, kind: SlotKind): string {
  return `sluice.original-dst.${direction}.${kind}`;
}

export const METHOD = ':method';
export const PATH = ':path';
export const AUTHORITY = ':authority';

/** For the header that says which request a denial is about. */
export const REQUEST_ID = 'x-request-id';
