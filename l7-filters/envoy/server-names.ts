import type { Any } from '@bufbuild/protobuf/wkt';
import type { PermissionSchema, PrincipalSchema, RBACSchema as RulesSchema } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { StringMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/string_pb.js';
import { compareText, type Direction, type FieldRef, type ServerNameRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { formatDecision } from '../http/index.ts';
import { serverNameExpression } from '../tls/index.ts';

export interface ServerNamesOptions {
  readonly direction: Direction;
  /** What lets every connection pass, also one that is not TLS; nothing: only the rules let any. */
  readonly allowsAll: readonly FieldRef[];
  /** Whether what is not allowed is only marked as such. */
  readonly audits: boolean;
}

/**
 * The filter that lets a connection pass if it names a server that any of the rules does.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/rbac_filter
 */
export function translateServerNames(rules: readonly ServerNameRule[], options: ServerNamesOptions): Any {
  const { direction, allowsAll, audits } = options;
  const permitted: readonly Permitted[] = allowsAll.length > 0 ? [{ by: allowsAll, permission: ANYTHING }] : permittedNames(rules);
  const policies: Init<typeof RulesSchema> = {
    action: RBAC_Action.ALLOW,
    policies: Object.fromEntries(
      [...Map.groupBy(permitted, ({ by }) => formatDecision(direction, by))]
        .sort(([a], [b]) => compareText(a, b))
        .map(([name, each]) => [name, { permissions: each.map(({ permission }) => permission), principals: [ANYBODY] }]),
    ),
  };
  return anyOf(RBACSchema, { statPrefix: 'slot.', ...(audits ? { shadowRules: policies } : { rules: policies }) });
}

interface Permitted {
  readonly by: readonly FieldRef[];
  readonly permission: Init<typeof PermissionSchema>;
}

const ANYTHING = { rule: { case: 'any', value: true } } as const satisfies Init<typeof PermissionSchema>;
const ANYBODY = { identifier: { case: 'any', value: true } } as const satisfies Init<typeof PrincipalSchema>;

/** Each name once, with all whose rules have it. */
function permittedNames(rules: readonly ServerNameRule[]): readonly Permitted[] {
  return [...Map.groupBy(rules, ({ pattern }) => pattern)]
    .sort(([a], [b]) => compareText(a, b))
    .map(([pattern, same]) => ({
      by: same.map(({ source }) => source),
      permission: { rule: { case: 'requestedServerName', value: serverName(pattern) } },
    }));
}

function serverName(pattern: string): Init<typeof StringMatcherSchema> {
  if (!pattern.includes('*')) return { matchPattern: { case: 'exact', value: pattern }, ignoreCase: true };
  return { matchPattern: { case: 'safeRegex', value: { regex: `(?i)${serverNameExpression(pattern)}` } } };
}
