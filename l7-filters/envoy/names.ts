import type { Direction } from '../../model/index.ts';

/** The cluster that takes connections of slots to where their clients wanted to go. */
export function originalDestinationCluster(direction: Direction): string {
  return `sluice.original-dst.${direction}`;
}

/** For the header that says which request a denial is about. */
export const REQUEST_ID = 'x-request-id';

/** What stands in a connection's filter state for the server that it names; its value goes with a denial. */
export const SERVER_NAME = 'sluice.server_name';
