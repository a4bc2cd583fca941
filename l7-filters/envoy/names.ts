import type { Direction } from '../../model/index.ts';

/** The cluster that takes connections of slots to where their clients wanted to go. */
export function originalDestinationCluster(direction: Direction): string {
  return `sluice.original-dst.${direction}`;
}

/** For the header that says which request a denial is about. */
export const REQUEST_ID = 'x-request-id';
