import type { AccessLog } from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import { REQUEST_LOG } from '../../xds-server/serve/index.ts';

/** What a listener logs, and what rules that it asks have logged. Where rules say which requests are told of besides theirs, the listener does not. */
export function bothLogs(own: readonly AccessLog[], ofRules: readonly AccessLog[]): AccessLog[] {
  const isSaid = ofRules.some(({ name }) => name === REQUEST_LOG);
  return [...own.filter(({ name }) => !isSaid || name !== REQUEST_LOG), ...ofRules];
}
