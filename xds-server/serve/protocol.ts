import { fromBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { DELTA, type Dialect, SOTW } from './dialect.ts';
import { XdsError } from './error.ts';
import { readRefusal } from './refusal.ts';
import { type Role, roleOf } from './role.ts';
import type { Session } from './session.ts';
import { resubscribeDelta, resubscribeSotw } from './subscription.ts';
import { traitsOf } from './types.ts';

/** What both variants of a request say. */
export interface Request {
  readonly nodeId: string;
  readonly role: Role;
  readonly typeUrl: string;
  /** The client says that it has something already, so it is not a new process. */
  readonly resumes: boolean;
  /** Lets the session take in what the request says. */
  receive(session: Session, typeUrl: string): void;
}

/** One variant of the protocol. */
export interface Protocol {
  readonly dialect: Dialect;
  /** @throws XdsError `malformed-request` */
  decode(bytes: Uint8Array): Request;
}

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds */
export const DELTA_PROTOCOL: Protocol = {
  dialect: DELTA,
  decode(bytes) {
    const request = decoded(() => fromBinary(DeltaDiscoveryRequestSchema, bytes));
    const { initialResourceVersions, responseNonce, errorDetail } = request;
    return {
      nodeId: request.node?.id ?? '',
      role: roleOf(request.node),
      typeUrl: request.typeUrl,
      resumes: Object.keys(initialResourceVersions).length > 0,
      receive(session, typeUrl) {
        const known = session.types.get(typeUrl);
        const state = known ?? session.start(typeUrl);
        if (responseNonce !== '') session.answer(state, responseNonce, readRefusal(errorDetail));
        const interest = { subscribe: request.resourceNamesSubscribe, unsubscribe: request.resourceNamesUnsubscribe };
        const { collection } = traitsOf(typeUrl);
        const change = resubscribeDelta(state.subscription, interest, { first: !known, collection });
        // Only the first request of a type on a stream may say what the client has.
        session.resubscribe(state, change, known ? {} : initialResourceVersions);
      },
    };
  },
};

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#basic-protocol-overview */
export const SOTW_PROTOCOL: Protocol = {
  dialect: SOTW,
  decode(bytes) {
    const request = decoded(() => fromBinary(DiscoveryRequestSchema, bytes));
    const { versionInfo, responseNonce, errorDetail, resourceNames } = request;
    return {
      nodeId: request.node?.id ?? '',
      role: 'client',
      typeUrl: request.typeUrl,
      resumes: versionInfo !== '',
      receive(session, typeUrl) {
        const known = session.types.get(typeUrl);
        const state = known ?? session.start(typeUrl);
        // A request that crossed a response answers an older one. What it wants still counts: a name that is dropped and wanted
        // again must be sent again, even if the client has seen the response by the time it wants it.
        if (responseNonce !== '') session.answer(state, responseNonce, readRefusal(errorDetail));
        if (!known && versionInfo !== '') state.claimedVersion = versionInfo;
        const change = resubscribeSotw(state.subscription, resourceNames, traitsOf(typeUrl));
        session.resubscribe(state, change);
      },
    };
  },
};

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new XdsError('malformed-request', 'the request is not a discovery request', { cause });
  }
}
