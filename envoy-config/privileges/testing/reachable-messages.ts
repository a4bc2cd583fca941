import type { DescMessage } from '@bufbuild/protobuf';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { HARMLESS, PARTS } from '../tables.ts';
import { TYPES } from './resources.ts';

/** The messages that resources and harmless extensions may hold, by name, without those that are privileged wherever they stand. */
export function reachableMessages(): ReadonlyMap<string, DescMessage> {
  const seen = new Map<string, DescMessage>();
  const enter = (desc: DescMessage | undefined): void => {
    if (!desc || seen.has(desc.typeName) || PARTS.has(desc.typeName)) return;
    seen.set(desc.typeName, desc);
    for (const field of desc.fields) enter(field.message);
  };
  for (const name of [...Object.values(TYPES), ...HARMLESS.keys()]) enter(envoyRegistry().getMessage(name));
  return seen;
}
