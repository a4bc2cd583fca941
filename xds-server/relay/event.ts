/**
 * - `connected`: a controller answers. `standby`: nobody is told that what it sends is in force, since Envoy is away or not
 *   up to date yet.
 * - `disconnected`: the stream ended, and is opened again after `retryMs`. A stream that the relay itself gives up to open another is
 *   no event.
 * - `refused`: Envoy refused a version of a resource, and the controller was told.
 */
export type RelayEvent =
  | { readonly kind: 'connected'; readonly peer: string; readonly standby: boolean }
  | { readonly kind: 'disconnected'; readonly code: number; readonly message: string; readonly retryMs: number }
  | { readonly kind: 'refused'; readonly typeUrl: string; readonly name: string; readonly message: string };
