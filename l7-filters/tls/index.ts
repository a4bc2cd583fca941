export { ingestServerName } from './ingest.ts';
export { findServerName, serverNameExpression } from './match.ts';
