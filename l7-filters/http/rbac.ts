import type { RequestRefusal } from '../../model/index.ts';
import { isRefusal } from './refuse.ts';

/** By which Envoy's filter of rules for requests tells others what it made of one. @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter#dynamic-metadata */
export const RBAC = 'envoy.filters.http.rbac';
/** The same of connections. */
export const NETWORK_RBAC = 'envoy.filters.network.rbac';
/** Its keys: what was decided, and what would have been without audit mode. Each is `allowed` or `denied`. */
export const ENFORCED = 'enforced_engine_result';
export const AUDITED = 'shadow_engine_result';
/** How the details of what it answers, or closes, begin. */
export const RBAC_DENIED = 'rbac_access_denied';

/** What filters tell of something, by their names. */
type FilterMetadata = Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;

/** Whether it was answered or closed by rules. @param details of a response, or of how a connection ended */
export function isDenied(details: string | undefined): boolean {
  return details?.startsWith(RBAC_DENIED) ?? false;
}

/** Whether rules would have denied it without audit mode. @param filter `RBAC` or `NETWORK_RBAC` */
export function wouldBeDenied(metadata: FilterMetadata, filter: string): boolean {
  return metadata?.[filter]?.[AUDITED] === 'denied';
}

/** The name of what let a request pass, or would have; undefined where it has none. */
export function passedBy(metadata: FilterMetadata): string | undefined {
  const said = metadata?.[RBAC];
  const name = said?.['enforced_effective_policy_id'] ?? said?.['shadow_effective_policy_id'];
  return typeof name === 'string' ? name : undefined;
}

/** What denies has a name only where it refuses whatever rules say. */
const REFUSED = new RegExp(`^${RBAC_DENIED}_matched_policy\\[(?!none\\])(?<refusal>.+)\\]$`);

/** By which name a request was refused, also one that this version does not know; undefined where it was not. @param details of its response */
export function refusalOf(details: string | undefined): string | undefined {
  return REFUSED.exec(details ?? '')?.groups?.['refusal'];
}

/** The same of those that this version knows. */
export function knownRefusalOf(details: string | undefined): RequestRefusal | undefined {
  const refusal = refusalOf(details);
  return refusal !== undefined && isRefusal(refusal) ? refusal : undefined;
}
