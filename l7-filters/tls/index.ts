export { ingestServerName } from './ingest.ts';
export { findServerName, serverNameExpression } from './match.ts';
export { SERVER_NAME_STATE } from './server-name-state.ts';
export { SLOT_STATE } from './slot-state.ts';
