export { type ClientKind, ENFORCEMENT_TYPES, ENFORCER, ENVOY } from './client-kind.ts';
export type { RelayEvent } from './event.ts';
export { HoldingsReporter, type HoldingsReporterOptions } from './holdings-reporter.ts';
export { NodeReporter } from './node-reporter.ts';
export { Relay, type RelayOptions } from './relay.ts';
export type { RelayState } from './state.ts';
export { RelayStore, type RelayStoreOptions, type StoreEvent } from './store.ts';
export { Subscriber, type SubscriberEvent, type SubscriberOptions, type SubscriberState } from './subscriber.ts';
export type { UpstreamAddress } from './upstream.ts';
