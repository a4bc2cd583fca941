import type { CustomTagSchema } from '@sluice/envoy-protos/envoy/type/tracing/v3/custom_tag_pb.js';
import type { Init } from './messages.ts';

/** Characters of a path or a host that are told, as many as Envoy tells of a path by itself. */
const MOST = 256;

/** Not what it was before routes changed it (`ORIG`): that is a header that clients may send as well. */
const PATH = `%PATH(NQ:PATH):${MOST}%`;
/** Who logs in by it is not told, nor how. */
const HOST = "(request.host.contains('@') ? '***' : request.host)";
const IS_GRPC = "('content-type' in request.headers && request.headers['content-type'].startsWith('application/grpc'))";

/**
 * What takes the place of what Envoy's spans say by themselves of where a request goes: whole URLs, with queries, by which clients hand over what is
 * secret. Of two of a name the one of the configuration counts, unless it is empty.
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/type/tracing/v3/custom_tag.proto
 */
export const SHOWN_IN_SPANS: readonly Init<typeof CustomTagSchema>[] = Object.entries({
  'http.url': `%REQ(X-FORWARDED-PROTO?:SCHEME):${MOST}%://%CEL(${HOST}):${MOST}%${PATH}`,
  'grpc.path': `%CEL(${IS_GRPC} ? request.url_path : ''):${MOST}%`,
  'grpc.authority': `%CEL(${IS_GRPC} ? ${HOST} : ''):${MOST}%`,
}).map(([tag, value]) => ({ tag, type: { case: 'value', value } }));
