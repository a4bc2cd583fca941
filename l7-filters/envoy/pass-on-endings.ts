import { LuaSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/lua/v3/lua_pb.js';
import type { HttpFilterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';

/**
 * Envoy keeps to itself that a server ends its connection, so the client would go on with its own, to an address that may be nobody's soon. A server
 * that is about to end says so in an answer; one that has gone leaves a request without an answer but Envoy's.
 */
const SCRIPT = `
function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get("connection") == "close" or headers:get(":status") == "503" then
    handle:streamInfo():drainConnectionUponCompletion()
  end
end
`;

/** Ends the client's connection, after the answer, where the server ends its own. */
export const PASS_ON_ENDINGS: Init<typeof HttpFilterSchema> = {
  name: 'sluice.pass_on_endings',
  configType: {
    case: 'typedConfig',
    value: anyOf(LuaSchema, { defaultSourceCode: { specifier: { case: 'inlineString', value: SCRIPT } }, clearRouteCache: false }),
  },
};
