import type { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { Init } from '../../xds-server/translate/messages.ts';

/** An HTTP filter, as one of a chain. */
export type Filter = Init<typeof TypedExtensionConfigSchema>;
