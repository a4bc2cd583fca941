export type { ApiClient, ApiRequest } from './api-server/api-client.ts';
export { ApiError, type ApiErrorCode, ifFound } from './api-server/api-error.ts';
export { type ApiClientOptions, ApiServerClient } from './api-server/api-server-client.ts';
export { ApiServerSource } from './api-server/api-server-source.ts';
export type { ApiServerSourceOptions, KindState } from './api-server/api-server-watch.ts';
export { CredentialsError, type CredentialsErrorCode } from './api-server/credentials.ts';
export { type ExecOptions, type ExecResult, execInPod } from './api-server/exec-in-pod.ts';
export { type OpenApiClientOptions, openApiClient } from './api-server/open-api-client.ts';
export type { ReflectorEvent } from './api-server/reflector.ts';
export { ENVOY_CONFIG_RESOURCES, POLICY_RESOURCES, WATCHED_RESOURCES, type WatchedResource } from './api-server/resources.ts';
export { type Clock, MONOTONIC_CLOCK } from './clock.ts';
export { DIAGNOSTIC_CODES, type DiagnosticCode } from './codes.ts';
export * from './folder/index.ts';
export { LeaderElection, type LeaderElectionOptions } from './leader/leader-election.ts';
export type { Leadership } from './leader/leadership.ts';
export * from './object.ts';
export { quote } from './quote.ts';
export * from './source.ts';
export { type Validation, validateObject } from './validate.ts';
export {
  type CiliumEnvoyConfig,
  type CiliumEnvoyConfigSpec,
  type CiliumEnvoyConfigStatus,
  ciliumEnvoyConfigSpec,
  isEnvoyConfig,
} from './views/cilium-envoy-config.ts';
export {
  type CiliumCidrRule,
  type CiliumClusterwideNetworkPolicy,
  type CiliumEgressRule,
  type CiliumIcmp,
  type CiliumIngressRule,
  type CiliumNetworkPolicy,
  type CiliumPolicySpec,
  type CiliumPortRule,
  type CiliumServicePeer,
  ciliumHttpRule,
  ciliumPolicySpec,
} from './views/cilium-network-policy.ts';
export { AUDIT_ANNOTATION, VISIBILITY_ANNOTATION } from './views/handling-annotations.ts';
export type { Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls } from './views/ingress.ts';
export { type LabelSelectorSpec, labelSelector } from './views/label-selector.ts';
export type { IngressPoint } from './views/load-balancer.ts';
export type { Namespace } from './views/namespace.ts';
export {
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
  type NetworkPolicySpec,
  networkPolicySpec,
} from './views/network-policy.ts';
export type { Node } from './views/node.ts';
export type { NamedPort, Pod } from './views/pod.ts';
export { readSpec, type SpecProblem, type SpecReading } from './views/read-spec.ts';
export type { Secret } from './views/secret.ts';
export type { EndpointSlice, Service, ServicePort, SliceEndpoint } from './views/service.ts';
export type { SluiceIdentity } from './views/sluice-identity.ts';
export type { Condition, SluiceSettings } from './views/sluice-settings.ts';
export type { Action, ApplyAction, DeleteAction, Manifest, StatusAction } from './write/action.ts';
export type { Outcome } from './write/action-request.ts';
export { ActionWriter, type ActionWriterOptions, type FailingWrite, type WriteEvent, type WriterState } from './write/action-writer.ts';
export { mergeConditions, type WantedCondition } from './write/conditions.ts';
export type { EventFinding } from './write/event.ts';
export { EventRecorder, type EventRecorderOptions } from './write/event-recorder.ts';
