import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BadRequestSchema } from '@sluice/envoy-protos/google/rpc/error_details_pb.js';
import type { Status, StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';

/** Why a client refused a response. */
export interface Refusal {
  readonly message: string;
  /**
   * Name by name, what is wrong. A client that names resources refused those and accepted the others; one that names none, as
   * Envoy, says nothing about which.
   */
  readonly resources: ReadonlyMap<string, string>;
}

export const BAD_REQUEST = `type.googleapis.com/${BadRequestSchema.typeName}`;
export const INVALID_ARGUMENT = 3;

/** What of an unreadable detail is left is the message. */
export function readRefusal(status: Status | undefined): Refusal | undefined {
  if (!status) return undefined;
  const resources = new Map<string, string>();
  for (const { typeUrl, value } of status.details) {
    if (typeUrl === BAD_REQUEST) for (const [name, description] of readViolations(value)) resources.set(name, description);
  }
  return { message: status.message, resources };
}

/**
 * The names as field violations: `field` is a resource's name, `description` what is wrong with it.
 * @see https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
 */
export function writeRefusal({ message, resources }: Refusal): MessageInitShape<typeof StatusSchema> {
  const fieldViolations = Array.from(resources, ([field, description]) => ({ field, description }));
  const value = toBinary(BadRequestSchema, create(BadRequestSchema, { fieldViolations }));
  return { code: INVALID_ARGUMENT, message, details: [{ typeUrl: BAD_REQUEST, value }] };
}

function readViolations(bytes: Uint8Array): [name: string, description: string][] {
  try {
    return fromBinary(BadRequestSchema, bytes).fieldViolations.map(({ field, description }) => [field, description]);
  } catch {
    return [];
  }
}

/** Envoy quotes the resource in some refusals, which is long, and would carry secrets to wherever the message is shown. */
export function withoutQuote(message: string): string {
  return message.replace(/goo\.gle\/debug\w*\s[\s\S]*?: (?=Proto constraint validation failed)/g, '');
}
