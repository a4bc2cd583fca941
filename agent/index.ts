export { AdminClient, type EnvoyState, type ServerInfo, type StatsQuery } from './admin-client.ts';
export { type BootstrapOptions, buildBootstrap, encodeBootstrap, XDS_CLUSTER } from './bootstrap.ts';
export { EnvoyError, type EnvoyErrorCode } from './envoy-error.ts';
export type { EnvoyEvent, ReplaceReason } from './envoy-event.ts';
export { EnvoyProcess, type EnvoyProcessOptions } from './envoy-process.ts';
export { checkEnvoyVersion, envoyVersion } from './envoy-version.ts';
export { checkPortsFree, findPortHolder, type ListenAddress, type PortHolder, type PortProblem, type PortProblemCode } from './ports.ts';
export { type EnvoyRecord, StateFolder, StateFolderError, type StateFolderErrorCode } from './state-folder.ts';
export type { StoppedBy } from './stop-envoy.ts';
