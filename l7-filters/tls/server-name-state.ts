/** What stands in the filter state of a connection in Envoy for the server that it names; its value goes with a denial. */
export const SERVER_NAME_STATE = 'sluice.server_name';
