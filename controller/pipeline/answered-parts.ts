import { type EnvoyConfig, slotOfListener } from '../../envoy-config/index.ts';
import type { FieldRef } from '../../model/index.ts';
import type { ResourceName } from '../../xds-server/serve/resource.ts';
import { SLOT_TYPE } from '../../xds-server/serve/types.ts';
import { serviceSlot } from '../enforcement/service-slots.ts';

/** A part of a config that Envoys take or refuse by itself. */
export interface AnsweredPart extends ResourceName {
  readonly version: string;
  /** As Envoy's resources are called, also where nodes call it otherwise. */
  readonly title: string;
  readonly source: FieldRef;
}

/** Listeners that Services are led to are slots to nodes, which make Envoy's listeners of them. */
export function answeredParts({ resources, listeners }: Pick<EnvoyConfig, 'resources' | 'listeners'>): readonly AnsweredPart[] {
  return [
    ...resources.map(({ resource: { typeUrl, name, version }, source }) => ({
      typeUrl,
      name,
      version,
      title: titleOf(typeUrl, name),
      source,
    })),
    ...listeners.map((listener) => {
      const { typeUrl, name, version } = serviceSlot({ slot: slotOfListener(listener.name), listener });
      return { typeUrl, name, version, title: titleOf('Listener', listener.name), source: listener.source };
    }),
  ];
}

function titleOf(type: string, name: string): string {
  return `${type.slice(type.lastIndexOf('.') + 1)} ${JSON.stringify(name)}`;
}

/**
 * Whether an Envoy refuses a listener for what is its node's: where and by which options it listens, which nodes add to what a config says. A port
 * that somebody else has is given up for another, and what Envoy may not do on one node is no mistake of anybody's config.
 */
export function isOfNode({ typeUrl }: ResourceName, message: string): boolean {
  return typeUrl === SLOT_TYPE && /cannot (?:bind|listen)|Setting socket options|duplicate address|Address already in use/.test(message);
}
