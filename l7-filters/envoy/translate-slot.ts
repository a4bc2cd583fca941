import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { Slot } from '../../model/index.ts';
import { CLUSTER_TYPE, EXTENSION_CONFIG_TYPE, type Resource, type ResourceName } from '../../xds-server/serve/index.ts';
import { encodeResource } from '../../xds-server/translate/encode.ts';
import { translateAllowAll, translateHttpRules } from './http-rules.ts';
import { originalDestinationCluster } from './names.ts';
import type { SlotOptions } from './options.ts';
import { translateServerNames } from './server-names.ts';
import { httpListener, tlsListener } from './slot-listener.ts';

/** All that Envoys need of a slot. */
export interface TranslatedSlot {
  /** An encoded Listener of Envoy without name, address and marks, which are a node's. It does not depend on the rules. */
  readonly listener: Uint8Array;
  /** What the listener names: filters, and the cluster of {@link translateSteeringClusters}. */
  readonly requires: readonly ResourceName[];
  /** The rules, as extension configurations with the slot's name. */
  readonly filters: readonly Resource[];
}

/**
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/extension
 */
export function translateSlot(slot: Slot, options: SlotOptions): TranslatedSlot {
  const listener = slot.rules.kind === 'http' ? httpListener(slot, options) : tlsListener(slot);
  const config = create(TypedExtensionConfigSchema, { name: slot.name, typedConfig: translateRules(slot, options) });
  return {
    listener,
    requires: [
      { typeUrl: CLUSTER_TYPE, name: originalDestinationCluster(slot.direction) },
      { typeUrl: EXTENSION_CONFIG_TYPE, name: slot.name },
    ],
    filters: [encodeResource(TypedExtensionConfigSchema, slot.name, config)],
  };
}

function translateRules({ rules, allowsAll }: Slot, { regexMaxProgramSize }: SlotOptions): Any {
  const isOpen = allowsAll.length > 0;
  if (rules.kind === 'tls') return translateServerNames(rules.rules, isOpen);
  return isOpen ? translateAllowAll() : translateHttpRules(rules.rules, regexMaxProgramSize);
}
