import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { featuresOf, type Refusal, type Resource, type Role, readRequires, writeRefusal } from '../serve/index.ts';

/** What a controller sends of one type. */
export interface Delta {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
}

/** @throws if the bytes are not a response */
export function decodeDelta(bytes: Uint8Array): Delta {
  const { typeUrl, nonce, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  return {
    typeUrl,
    nonce,
    removed: removedResources,
    resources: resources.map(({ name, version, resource, metadata }) => ({
      typeUrl,
      name,
      version,
      // A copy, so that a small resource does not keep the whole response in memory.
      body: Uint8Array.from(resource?.value ?? []),
      requires: readRequires(metadata),
    })),
  };
}

/** The first request of a type on a stream. */
export function encodeFirst(
  node: { readonly id: string; readonly role: Role },
  typeUrl: string,
  subscribe: readonly string[],
  versions: Readonly<Record<string, string>>,
): Uint8Array {
  return encode({
    node: { id: node.id, userAgentName: 'sluice', clientFeatures: featuresOf(node.role) },
    typeUrl,
    resourceNamesSubscribe: [...subscribe],
    initialResourceVersions: { ...versions },
  });
}

export function encodeSubscription(typeUrl: string, subscribe: readonly string[], unsubscribe: readonly string[]): Uint8Array {
  return encode({ typeUrl, resourceNamesSubscribe: [...subscribe], resourceNamesUnsubscribe: [...unsubscribe] });
}

/** @param refusals what is wrong, by name; none to accept the response */
export function encodeAnswer(typeUrl: string, nonce: string, refusals: ReadonlyMap<string, string>): Uint8Array {
  if (refusals.size === 0) return encode({ typeUrl, responseNonce: nonce });
  return encode({ typeUrl, responseNonce: nonce, errorDetail: writeRefusal(describe(refusals)) });
}

function describe(resources: ReadonlyMap<string, string>): Refusal {
  const [name = '', message = ''] = resources.entries().next().value ?? [];
  const others = resources.size > 1 ? ` (and ${resources.size - 1} more)` : '';
  return { message: `${name}: ${message}${others}`, resources };
}

function encode(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): Uint8Array {
  return toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request));
}
