import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { Slot } from '../../model/index.ts';
import { CLUSTER_TYPE, EXTENSION_CONFIG_TYPE, type Resource, type ResourceName } from '../../xds-server/serve/index.ts';
import { encodeResource } from '../../xds-server/translate/encode.ts';
import { COLLECTOR } from '../../xds-server/translate/tracing.ts';
import { asksOnce, configRules } from './config-rules.ts';
import { translateHttpFilter } from './http-filter.ts';
import { ingressRules } from './ingress-rules.ts';
import { originalDestinationCluster } from './names.ts';
import type { SlotOptions } from './options.ts';
import { translateServerNames } from './server-names.ts';
import { httpListener, tlsListener } from './slot-listener.ts';

/** All that Envoys need of a slot. */
export interface TranslatedSlot {
  /** An encoded Listener of Envoy without name, address and marks, which are a node's. It does not depend on the rules. */
  readonly listener: Uint8Array;
  /** What the listener names: its rules, and the cluster of `translateSteeringClusters`; of what comes to Ingresses, its rules alone. */
  readonly requires: readonly ResourceName[];
  /**
   * What comes to the listener's filters by itself: the rules, as an extension configuration with the slot's name, and for HTTP a Secret with the
   * values that rules name, which stand in nothing else, not even as a hash.
   */
  readonly filters: readonly Resource[];
  /** What listeners of configs ask of requests by the same rules, see {@link configRules}; absent where that is nothing. */
  readonly asked?: Uint8Array;
  /** Whether nothing that stands before that in a listener can answer in its place. Absent: it may. */
  readonly asksOnce?: boolean;
}

/**
 * What a slot becomes in Envoy. Equal rules come to equal bytes, but for the version of a Secret with values, which is one of this process.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/extension
 */
export function translateSlot(slot: Slot, options: SlotOptions): TranslatedSlot {
  const { config, secrets } = translateRules(slot, options);
  const filter = create(TypedExtensionConfigSchema, { name: slot.name, typedConfig: config });
  const requires = secrets.map(({ typeUrl, name }) => ({ typeUrl, name }));
  return {
    ...translateListener(slot, options),
    filters: [...secrets, encodeResource(TypedExtensionConfigSchema, slot.name, filter, requires)],
    ...(isAskedInConfigs(slot) && { asked: configRules(slot, options), asksOnce: asksOnce(slot) }),
  };
}

/** Server names are known from the first bytes of each connection that Envoy opens, be they the client's or its own. */
function isAskedInConfigs({ direction, rules, ofIngresses }: Slot): boolean {
  return direction === 'egress' && rules.kind === 'http' && ofIngresses !== true;
}

function translateListener(slot: Slot, options: SlotOptions): Pick<TranslatedSlot, 'listener' | 'requires'> {
  const rules = { typeUrl: EXTENSION_CONFIG_TYPE, name: slot.name };
  if (slot.ofIngresses) return { listener: ingressRules(slot, options), requires: [rules] };
  const cluster = { typeUrl: CLUSTER_TYPE, name: originalDestinationCluster(slot.direction, slot.rules.kind) };
  if (slot.rules.kind !== 'http') return { listener: tlsListener(slot, options), requires: [rules, cluster] };
  return { listener: httpListener(slot, options), requires: [rules, cluster, ...(options.tracing ? [COLLECTOR] : [])] };
}

export interface TranslatedRules {
  readonly config: Any;
  readonly secrets: readonly Resource[];
}

function translateRules({ name, direction, rules, allowsAll, ...slot }: Slot, options: SlotOptions): TranslatedRules {
  const audits = slot.audits ?? false;
  if (rules.kind === 'http') return translateHttpFilter({ slot: name, direction, rules: rules.rules, allowsAll, audits }, options);
  return { config: translateServerNames(rules.rules, { direction, allowsAll, audits }), secrets: [] };
}
