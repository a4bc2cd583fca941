import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { BadRequestSchema } from '@sluice/envoy-protos/google/rpc/error_details_pb.js';
import { BAD_REQUEST, INVALID_ARGUMENT } from './refusal.ts';

/** By which agents say which versions their node's Envoy has. */
export const HOLDINGS_PATH = '/sluice.node.v1.NodeReportService/StreamHoldings';

/** What a client makes of a version that it refuses. */
export interface RefusedVersion {
  readonly version: string;
  /** In its words. */
  readonly message: string;
}

/** What of one type a client has, by name. */
export interface Holdings {
  /** Versions that it accepted. */
  readonly accepted: ReadonlyMap<string, string>;
  readonly refused: ReadonlyMap<string, RefusedVersion>;
}

/** What of one type a node's Envoy has, since it was told last. */
export interface HoldingReport {
  readonly typeUrl: string;
  /** Versions that it has accepted, by name. */
  readonly accepted: ReadonlyMap<string, string>;
  /** Names of which it has none any more. */
  readonly gone: readonly string[];
  /** All that it refuses at present, by name. */
  readonly refused: ReadonlyMap<string, RefusedVersion>;
}

/** A `DeltaDiscoveryRequest` as of a client that returns: it says what it has, and what it has no more. Violations name refused versions as their reason. */
export function encodeHoldings({ typeUrl, accepted, gone, refused }: HoldingReport): Uint8Array {
  const fieldViolations = Array.from(refused, ([field, { version, message }]) => ({ field, description: message, reason: version }));
  const value = toBinary(BadRequestSchema, create(BadRequestSchema, { fieldViolations }));
  const request = create(DeltaDiscoveryRequestSchema, {
    typeUrl,
    initialResourceVersions: Object.fromEntries(accepted),
    resourceNamesUnsubscribe: [...gone],
    ...(refused.size > 0 && { errorDetail: { code: INVALID_ARGUMENT, details: [{ typeUrl: BAD_REQUEST, value }] } }),
  });
  return toBinary(DeltaDiscoveryRequestSchema, request);
}

/** @returns undefined for what is no report */
export function decodeHoldings(bytes: Uint8Array): HoldingReport | undefined {
  try {
    const request = fromBinary(DeltaDiscoveryRequestSchema, bytes);
    const { typeUrl, initialResourceVersions, resourceNamesUnsubscribe: gone, errorDetail } = request;
    const violations = (errorDetail?.details ?? []).flatMap((detail) =>
      detail.typeUrl === BAD_REQUEST ? fromBinary(BadRequestSchema, detail.value).fieldViolations : [],
    );
    const refused = violations.map(({ field, description, reason }) => [field, { version: reason, message: description }] as const);
    return { typeUrl, accepted: new Map(Object.entries(initialResourceVersions)), gone, refused: new Map(refused) };
  } catch {
    return undefined;
  }
}
