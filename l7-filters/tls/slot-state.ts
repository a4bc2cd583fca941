/** What stands in the filter state of a connection in Envoy for the slot that decides of it. */
export const SLOT_STATE = 'sluice.slot';
