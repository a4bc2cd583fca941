export { BALANCING_CODES } from './balanced-services/codes.ts';
export { type BalancingOptions, readBalancedService, writeBalancedService } from './balanced-services/read-balanced-service.ts';
export { DIAGNOSTIC_CODES as ENVOY_CONFIG_CODES, diagnose as diagnoseEnvoyConfig } from './codes.ts';
export type { ConfigResource, EnvoyConfig, KubernetesSecret, ServiceEndpoints, ServiceListener, TakenService } from './envoy-config.ts';
export { KnownResources } from './known-resources.ts';
export { type EnvoyConfigOptions, type EnvoyConfigReading, readEnvoyConfig } from './read-envoy-config.ts';
export { TELL_SECRET } from './secret-kind.ts';
export { portsOf } from './service-endpoints.ts';
export { slotOfListener } from './service-listeners.ts';
