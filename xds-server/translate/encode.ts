import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { contentVersion, type Resource, type ResourceName } from '../serve/resource.ts';

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
  return { typeUrl: typeUrlOf(schema), name, version: contentVersion(body), body, requires };
}
