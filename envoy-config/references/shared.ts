/**
 * Names of what is one for the whole Envoy. Two configs that happened upon the same name would take from one another's limits and caches,
 * or have each other refused for settings that differ.
 */
export const SHARED_NAMES: readonly string[] = [
  'envoy.config.core.v3.AlternateProtocolsCacheOptions.name',
  'envoy.extensions.common.async_files.v3.AsyncFileManagerConfig.id',
  'envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig.name',
  'envoy.extensions.common.tap.v3.AdminConfig.config_id',
  'envoy.extensions.filters.http.bandwidth_share.v3.BandwidthShare.Limit.bucket_id',
  'envoy.extensions.filters.http.lua.v3.Lua.shared_vm_id',
  'envoy.extensions.filters.http.lua.v3.LuaPerRoute.shared_vm_id',
  'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit.share_key',
  'envoy.extensions.wasm.v3.VmConfig.vm_id',
  'envoy.type.v3.Scope.sharing_name',
];
