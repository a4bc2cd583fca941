import type { Any } from '@bufbuild/protobuf/wkt';
import type { PermissionSchema, RBACSchema as RulesSchema } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { StringMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/string_pb.js';
import type { ServerNameRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { serverNameExpression } from '../tls/index.ts';

export interface ServerNamesOptions {
  /** Whether every connection passes, also one that is not TLS. */
  readonly isOpen: boolean;
  /** Whether what is not allowed is only marked as such. */
  readonly audits: boolean;
}

/**
 * The filter that lets a connection pass if it names a server that any of the rules does.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/rbac_filter
 */
export function translateServerNames(rules: readonly ServerNameRule[], { isOpen, audits }: ServerNamesOptions): Any {
  const permissions: Init<typeof PermissionSchema>[] = isOpen
    ? [{ rule: { case: 'any', value: true } }]
    : [...new Set(rules.map(({ pattern }) => pattern))].sort().map((pattern) => ({
        rule: { case: 'requestedServerName', value: serverName(pattern) },
      }));
  const policies: Init<typeof RulesSchema> = {
    action: RBAC_Action.ALLOW,
    policies: permissions.length === 0 ? {} : { rules: { permissions, principals: [{ identifier: { case: 'any', value: true } }] } },
  };
  return anyOf(RBACSchema, { statPrefix: 'slot.', ...(audits ? { shadowRules: policies } : { rules: policies }) });
}

function serverName(pattern: string): Init<typeof StringMatcherSchema> {
  if (!pattern.includes('*')) return { matchPattern: { case: 'exact', value: pattern }, ignoreCase: true };
  return { matchPattern: { case: 'safeRegex', value: { regex: `(?i)${serverNameExpression(pattern)}` } } };
}
