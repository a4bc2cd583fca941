import type { ExtensionConfigSourceSchema } from '@sluice/envoy-protos/envoy/config/core/v3/config_source_pb.js';
import { durationOf, FROM_ADS, type Init } from '../../xds-server/translate/messages.ts';

/** A filter that comes by itself. The listener is not used before it is there. */
export function discovery(typeUrls: readonly string[]): Init<typeof ExtensionConfigSourceSchema> {
  // By default Envoy goes on without the filter after 15 s, and answers every request with an error.
  return { configSource: { ...FROM_ADS, initialFetchTimeout: durationOf(0) }, typeUrls: [...typeUrls] };
}
