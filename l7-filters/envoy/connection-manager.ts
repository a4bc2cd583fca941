import type { Any } from '@bufbuild/protobuf/wkt';
import type { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { CredentialInjectorSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/credential_injector/v3/credential_injector_pb.js';
import { FilterChainConfigSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/filter_chain/v3/filter_chain_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { RouterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_ServerHeaderTransformation,
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
  type LocalReplyConfigSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { GenericSchema } from '@sluice/envoy-protos/envoy/extensions/http/injected_credentials/generic/v3/generic_pb.js';
import { XffConfigSchema } from '@sluice/envoy-protos/envoy/extensions/http/original_ip_detection/xff/v3/xff_pb.js';
import { UuidRequestIdConfigSchema } from '@sluice/envoy-protos/envoy/extensions/request_id/uuid/v3/uuid_pb.js';
import type { Slot } from '../../model/index.ts';
import { CONTINUE_TRACES } from '../../xds-server/translate/continue-traces.ts';
import { anyOf, typeUrlOf } from '../../xds-server/translate/encode.ts';
import { durationOf, FROM_ADS, type Init } from '../../xds-server/translate/messages.ts';
import { translateNormalization } from '../../xds-server/translate/normalization.ts';
import { translateTracing } from '../../xds-server/translate/tracing.ts';
import { slotLogs } from './access-log.ts';
import { SECRETS_HEADER } from './compare-secrets.ts';
import { discovery } from './discovery.ts';
import { HTTP1_OPTIONS, HTTP2_OPTIONS, MAX_HEADERS, MAX_HEADERS_KB } from './http-options.ts';
import { KEEP_REQUEST_ID } from './keep-request-id.ts';
import { REQUEST_ID } from './names.ts';
import type { SlotOptions } from './options.ts';
import { ON_ARRIVAL, routes } from './pass-on.ts';
import { PASS_ON_ENDINGS } from './pass-on-endings.ts';
import { secretsOf } from './secrets.ts';

/** As Cilium answers. */
const DENIED_BODY = 'Access denied\r\n';
const FORBIDDEN = 403;
const OFF = durationOf(0);

/**
 * The filters that serve HTTP as if nobody did: what the other side sees is what was sent, but for what has to be the same for whoever judges
 * a request and whoever answers it.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
 */
export function slotConnectionManager(slot: Slot, options: SlotOptions): Init<typeof FilterSchema>[] {
  const { http, tracing } = options;
  const normalization = translateNormalization(http);
  const value: Any = anyOf(HttpConnectionManagerSchema, {
    statPrefix: `slot.${slot.direction}`,
    codecType: HttpConnectionManager_CodecType.AUTO,
    routeSpecifier: { case: 'routeConfig', value: routes(slot.direction) },
    earlyHeaderMutationExtensions: [ON_ARRIVAL, ...(tracing ? [CONTINUE_TRACES] : [])],
    accessLog: slotLogs(slot, options),
    httpFilters: [...askedOfRequests(slot), PASS_ON_ENDINGS, ROUTER],
    httpProtocolOptions: HTTP1_OPTIONS,
    http2ProtocolOptions: HTTP2_OPTIONS,
    maxRequestHeadersKb: MAX_HEADERS_KB,
    streamIdleTimeout: durationOf(http.streamIdleTimeoutMs),
    requestTimeout: OFF,
    // Whether a client may go on is for the server to say.
    proxy100Continue: true,
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    localReplyConfig: DENIALS,
    ...TRANSPARENT,
    ...(tracing && { tracing: translateTracing(tracing) }),
    ...normalization,
    commonHttpProtocolOptions: { ...normalization.commonHttpProtocolOptions, idleTimeout: OFF, maxHeadersCount: MAX_HEADERS },
  });
  return [{ name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value } }];
}

const TRANSPARENT = {
  // An address that X-Forwarded-For tells is nobody's to trust here, and none is added. By default, one of a private network would make who sends it
  // somebody who directs Envoy by its own headers.
  useRemoteAddress: false,
  originalIpDetectionExtensions: [
    { name: 'envoy.http.original_ip_detection.xff', typedConfig: anyOf(XffConfigSchema, { xffTrustedCidrs: {} }) },
  ],
  skipXffAppend: true,
  forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.ALWAYS_FORWARD_ONLY,
  serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
  generateRequestId: true,
  preserveExternalRequestId: true,
  requestIdExtension: { typedConfig: anyOf(UuidRequestIdConfigSchema, { packTraceReason: false, useRequestIdForTraceSampling: false }) },
} as const satisfies Init<typeof HttpConnectionManagerSchema>;

const ROUTER: Init<typeof HttpFilterSchema> = {
  name: 'envoy.filters.http.router',
  configType: { case: 'typedConfig', value: anyOf(RouterSchema, { suppressEnvoyHeaders: true }) },
};

/** The filters that decide of requests by the rules of a slot, before any other. */
export function askedOfRequests(slot: Slot): Init<typeof HttpFilterSchema>[] {
  return [...(slot.audits ? [KEEP_REQUEST_ID] : []), secrets(slot), rules(slot)];
}

/**
 * Gives the rules the values of Secrets. It is no part of what comes with the rules, since Envoy asks for Secrets only when it begins to use a
 * listener, not when an extension configuration changes.
 */
function secrets({ name }: Slot): Init<typeof HttpFilterSchema> {
  const generic = anyOf(GenericSchema, {
    credential: { name: secretsOf(name), sdsConfig: { ...FROM_ADS, initialFetchTimeout: OFF } },
    header: SECRETS_HEADER,
  });
  const injector = anyOf(CredentialInjectorSchema, {
    overwrite: true,
    allowRequestWithoutCredential: true,
    credential: { name: 'generic', typedConfig: generic },
  });
  return { name: 'sluice.secrets', configType: { case: 'typedConfig', value: injector } };
}

function rules({ name }: Slot): Init<typeof HttpFilterSchema> {
  const typeUrls = [typeUrlOf(RBACSchema), typeUrlOf(FilterChainConfigSchema)];
  return { name, configType: { case: 'configDiscovery', value: discovery(typeUrls) } };
}

/** What the client of a request that is denied gets. */
export const DENIALS: Init<typeof LocalReplyConfigSchema> = {
  mappers: [
    {
      filter: {
        filterSpecifier: {
          case: 'statusCodeFilter',
          value: { comparison: { value: { defaultValue: FORBIDDEN, runtimeKey: 'sluice.denied_status' } } },
        },
      },
      bodyFormatOverride: {
        format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: DENIED_BODY } } },
        contentType: 'text/plain',
      },
      headersToAdd: [{ header: { key: REQUEST_ID, value: `%REQ(${REQUEST_ID})%` } }],
    },
  ],
};
