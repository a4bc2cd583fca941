import { hash } from 'node:crypto';
import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import type { Resource, ResourceName } from '../serve/resource.ts';

/** The name by which xDS knows a message type. */
export function typeUrlOf(schema: DescMessage): string {
  return `type.googleapis.com/${schema.typeName}`;
}

/** Packs a message as Envoy's extension points want it. */
export function anyOf<S extends DescMessage>(schema: S, init: MessageInitShape<S>): Any {
  return create(AnySchema, { typeUrl: typeUrlOf(schema), value: toBinary(schema, create(schema, init)) });
}

/** Makes the resource of a message; its version is a hash of its bytes, so that equal content has an equal version at all times. */
export function encodeResource<S extends DescMessage>(
  schema: S,
  name: string,
  message: MessageShape<S>,
  requires: readonly ResourceName[] = [],
): Resource {
  return resourceOf(schema, name, toBinary(schema, message), requires);
}

/** The same for a message whose bytes are there already. */
export function resourceOf(schema: DescMessage, name: string, body: Uint8Array, requires: readonly ResourceName[] = []): Resource {
  return { typeUrl: typeUrlOf(schema), name, version: versionOf(body), body, requires };
}

/** 96 bits of SHA-256: short on the wire, and no two contents of one resource will ever share it. */
export function versionOf(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'base64url').slice(0, 16);
}
