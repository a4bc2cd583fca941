import { type Any, anyUnpack, StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { AccessLogCommon } from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';

/** What Envoy writes in place of what is not there. */
const NOTHING = '-';

/** Of a text in the filter state; empty where there is none. */
export function stateOf(common: AccessLogCommon | undefined, key: string): string {
  const text = textOf(common?.filterStateObjects[key]);
  return text === NOTHING ? '' : text;
}

function textOf(state: Any | undefined): string {
  try {
    return (state && anyUnpack(state, StringValueSchema)?.value) ?? '';
  } catch {
    // Nobody else writes by these names; what cannot be read says nothing.
    return '';
  }
}
