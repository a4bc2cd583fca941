import { HttpProtocolOptions_HeadersWithUnderscoresAction } from '@sluice/envoy-protos/envoy/config/core/v3/protocol_pb.js';
import {
  HttpConnectionManager_PathWithEscapedSlashesAction,
  type HttpConnectionManagerSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { HeadersWithUnderscores, HttpOptions, PathNormalization } from '../../model/index.ts';
import type { Init } from './messages.ts';

type ConnectionManager = Init<typeof HttpConnectionManagerSchema>;

const { KEEP_UNCHANGED, UNESCAPE_AND_REDIRECT } = HttpConnectionManager_PathWithEscapedSlashesAction;
const { DROP_HEADER, REJECT_REQUEST } = HttpProtocolOptions_HeadersWithUnderscoresAction;

/** Each does what the one before does, too. */
const PATHS: Readonly<
  Record<PathNormalization, Pick<ConnectionManager, 'normalizePath' | 'mergeSlashes' | 'pathWithEscapedSlashesAction'>>
> = {
  none: { normalizePath: false, pathWithEscapedSlashesAction: KEEP_UNCHANGED },
  base: { normalizePath: true, pathWithEscapedSlashesAction: KEEP_UNCHANGED },
  'merge-slashes': { normalizePath: true, mergeSlashes: true, pathWithEscapedSlashesAction: KEEP_UNCHANGED },
  full: { normalizePath: true, mergeSlashes: true, pathWithEscapedSlashesAction: UNESCAPE_AND_REDIRECT },
};

const UNDERSCORES: Readonly<Record<Exclude<HeadersWithUnderscores, 'allow'>, HttpProtocolOptions_HeadersWithUnderscoresAction>> = {
  drop: DROP_HEADER,
  reject: REJECT_REQUEST,
};

/**
 * How requests are made to mean the same to whoever looks at them: routes, rules and the server. One place for all that serves HTTP, since
 * what two of them read differently gets around the one that is stricter.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
 */
export function translateNormalization({
  pathNormalization,
  headersWithUnderscores,
}: Pick<HttpOptions, 'pathNormalization' | 'headersWithUnderscores'>) {
  return {
    ...PATHS[pathNormalization],
    stripTrailingHostDot: true,
    ...(headersWithUnderscores !== 'allow' && {
      commonHttpProtocolOptions: { headersWithUnderscoresAction: UNDERSCORES[headersWithUnderscores] },
    }),
  } satisfies ConnectionManager;
}
