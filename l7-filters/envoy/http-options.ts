import type { Http1ProtocolOptionsSchema, Http2ProtocolOptionsSchema } from '@sluice/envoy-protos/envoy/config/core/v3/protocol_pb.js';
import { PreserveCaseFormatterConfigSchema } from '@sluice/envoy-protos/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case_pb.js';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';

/** Of requests, and of answers: what servers take by default is less. */
export const MAX_HEADERS_KB = 256;
export const MAX_HEADERS = 1_000;

/** To both sides alike, so that neither notices who stands between them. */
export const HTTP1_OPTIONS: Init<typeof Http1ProtocolOptionsSchema> = {
  enableTrailers: true,
  acceptHttp10: true,
  headerKeyFormat: {
    headerFormat: {
      case: 'statefulFormatter',
      value: {
        name: 'preserve_case',
        typedConfig: anyOf(PreserveCaseFormatterConfigSchema, { forwardReasonPhrase: true }),
      },
    },
  },
};

/** With WebSockets as RFC 8441 has them. */
export const HTTP2_OPTIONS: Init<typeof Http2ProtocolOptionsSchema> = { allowConnect: true };
