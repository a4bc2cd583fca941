import { anyUnpack, StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { AccessLogCommon } from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';

/** What Envoy writes in place of what is not there. */
const NOTHING = '-';

/** Of a text in the filter state; empty where there is none. */
export function stateOf(common: AccessLogCommon | undefined, key: string): string {
  const state = common?.filterStateObjects[key];
  const text = (state && anyUnpack(state, StringValueSchema)?.value) ?? '';
  return text === NOTHING ? '' : text;
}
