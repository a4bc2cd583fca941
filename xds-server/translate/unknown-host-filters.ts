import type { Any } from '@bufbuild/protobuf/wkt';
import { FilterConfigSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { LuaSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/lua/v3/lua_pb.js';
import type { HttpFilterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { anyOf } from './encode.ts';
import type { Init } from './messages.ts';

/** Where the host stands while `:authority` holds the key of the fallback scope. */
export const HOST_HEADER = 'x-sluice-host';
/** The scope for hosts that have none of their own. No host is called this. */
export const FALLBACK_SCOPE = '*';

const FALL_BACK = 'sluice.fall_back';
const RESTORE_HOST = 'sluice.restore_host';

// A route is looked for again only when something asks for it, and in Lua `metadata()` does, once for each filter. Hence
// two filters: the first chooses the scope, the second has the route looked for in it and puts the host back.
const FALL_BACK_SCRIPT = `
function envoy_on_request(handle)
  local headers = handle:headers()
  local host = headers:get(":authority") or ""
  local lower = string.lower(host)
  headers:remove("${HOST_HEADER}")
  if lower ~= host then
    headers:replace(":authority", lower)
    handle:clearRouteCache()
    handle:metadata()
    if handle:streamInfo():routeName() ~= "" then
      headers:replace(":authority", host)
      return
    end
  end
  headers:replace("${HOST_HEADER}", host)
  headers:replace(":authority", "${FALLBACK_SCOPE}")
  handle:clearRouteCache()
end
`;

const RESTORE_HOST_SCRIPT = `
function envoy_on_request(handle)
  local headers = handle:headers()
  local host = headers:get("${HOST_HEADER}")
  if host == nil then return end
  handle:metadata()
  headers:replace(":authority", host)
  headers:remove("${HOST_HEADER}")
end
`;

/**
 * The filters that route what no scope takes: hosts in upper case, hosts of a wildcard and unknown ones. They are switched
 * off by {@link switchedOff} wherever a route was found at once, which is what makes scopes cost next to nothing.
 */
export function unknownHostFilters(): Init<typeof HttpFilterSchema>[] {
  return [luaFilter(FALL_BACK, FALL_BACK_SCRIPT), luaFilter(RESTORE_HOST, RESTORE_HOST_SCRIPT)];
}

/** For `typed_per_filter_config` of a route configuration that known hosts lead to. */
export function switchedOff(): Record<string, Any> {
  const config = anyOf(FilterConfigSchema, { disabled: true });
  return { [FALL_BACK]: config, [RESTORE_HOST]: config };
}

function luaFilter(name: string, script: string): Init<typeof HttpFilterSchema> {
  const config = anyOf(LuaSchema, {
    defaultSourceCode: { specifier: { case: 'inlineString', value: script } },
    // The scripts clear it themselves, and what they do to headers afterwards must not.
    clearRouteCache: false,
  });
  return { name, configType: { case: 'typedConfig', value: config } };
}
