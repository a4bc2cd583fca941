import { z } from 'zod';
import type { ObjectRef } from '../../model/index.ts';
import { checkedLabelSelector } from './label-selector.ts';
import { clusterMetadata, list, namespacedMetadata, portNumber, text } from './metadata.ts';
import { condition } from './sluice-settings.ts';

/** A Service whose traffic a listener takes. */
const serviceListener = z.strictObject({
  name: z.string().min(1),
  namespace: text,
  /** None for all of its ports. */
  ports: list(portNumber),
  /** Absent: the first of the resources. */
  listener: text,
});

/** A Service whose endpoints clusters use. */
const backendService = z.strictObject({
  name: z.string().min(1),
  namespace: text,
  /** Numbers or names of its ports; none for all. */
  number: list(z.string().min(1)),
});

/**
 * What is in `spec`, which is judged by whoever serves it, so that one that is wrong has a status that says so.
 * @see https://docs.cilium.io/en/stable/network/servicemesh/envoy-custom-resources/
 */
export const ciliumEnvoyConfigSpec = z.strictObject({
  services: list(serviceListener),
  backendServices: list(backendService),
  /** Each a message of Envoy's in the JSON of protobuf, with `@type`. */
  resources: list(z.unknown()),
  nodeSelector: checkedLabelSelector.optional(),
});

const count = z.int().min(0);

/** What of a status cannot be read is not there: it must not keep the object from being seen. */
const status = z
  .object({
    conditions: list(condition).catch([]),
    /** How many nodes have what is in force of it, of those that are to. */
    nodes: z.object({ programmed: count, total: count }).optional().catch(undefined),
    /** What `spec` was when it was right; to be judged like that. */
    lastAccepted: z.object({ generation: z.int(), spec: z.unknown() }).optional().catch(undefined),
  })
  .optional()
  .catch(undefined);

const generation = z.int().optional();

export const ciliumEnvoyConfigView = z.object({
  apiVersion: z.literal('cilium.io/v2'),
  kind: z.literal('CiliumEnvoyConfig'),
  metadata: namespacedMetadata.extend({ generation }),
  spec: z.unknown().optional(),
  status,
});

/** As a CiliumEnvoyConfig, of no namespace. */
export const ciliumClusterwideEnvoyConfigView = z.object({
  apiVersion: z.literal('cilium.io/v2'),
  kind: z.literal('CiliumClusterwideEnvoyConfig'),
  metadata: clusterMetadata.extend({ generation }),
  spec: z.unknown().optional(),
  status,
});

export type CiliumEnvoyConfig = z.output<typeof ciliumEnvoyConfigView> | z.output<typeof ciliumClusterwideEnvoyConfigView>;
/** Whether something that may be read is one, or one of no namespace. */
export function isEnvoyConfig(object: { readonly kind: string }): object is CiliumEnvoyConfig;
export function isEnvoyConfig(object: ObjectRef): boolean;
export function isEnvoyConfig({ kind }: { readonly kind: string }): boolean {
  return kind === 'CiliumEnvoyConfig' || kind === 'CiliumClusterwideEnvoyConfig';
}

export type CiliumEnvoyConfigStatus = NonNullable<CiliumEnvoyConfig['status']>;
export type CiliumEnvoyConfigSpec = z.output<typeof ciliumEnvoyConfigSpec>;
