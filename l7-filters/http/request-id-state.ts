/** What stands in the filter state of a request in Envoy for its id, where it may pass and be told of all the same. */
export const REQUEST_ID_STATE = 'sluice.request_id';
