import type { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { ScopedRoutesSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
export declare function scopedRoutesOf(table: string): Init<typeof ScopedRoutesSchema>;
export declare function shardHeaderMutation(): Init<typeof TypedExtensionConfigSchema>;
