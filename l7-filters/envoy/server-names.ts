import type { Any } from '@bufbuild/protobuf/wkt';
import type { PermissionSchema } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { StringMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/string_pb.js';
import type { ServerNameRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { serverNameExpression } from '../tls/index.ts';

/**
 * The filter that lets a connection pass if it names a server that any of the rules does.
 * @param isOpen every connection passes, also one that is not TLS
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/rbac_filter
 */
export function translateServerNames(rules: readonly ServerNameRule[], isOpen: boolean): Any {
  const permissions: Init<typeof PermissionSchema>[] = isOpen
    ? [{ rule: { case: 'any', value: true } }]
    : [...new Set(rules.map(({ pattern }) => pattern))].sort().map((pattern) => ({
        rule: { case: 'requestedServerName', value: serverName(pattern) },
      }));
  return anyOf(RBACSchema, {
    statPrefix: 'slot.',
    rules: {
      action: RBAC_Action.ALLOW,
      policies: permissions.length === 0 ? {} : { rules: { permissions, principals: [{ identifier: { case: 'any', value: true } }] } },
    },
  });
}

function serverName(pattern: string): Init<typeof StringMatcherSchema> {
  if (!pattern.includes('*')) return { matchPattern: { case: 'exact', value: pattern }, ignoreCase: true };
  return { matchPattern: { case: 'safeRegex', value: { regex: `(?i)${serverNameExpression(pattern)}` } } };
}
