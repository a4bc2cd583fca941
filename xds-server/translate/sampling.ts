import type { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { RequestIDExtensionSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { UuidRequestIdConfigSchema } from '@sluice/envoy-protos/envoy/extensions/request_id/uuid/v3/uuid_pb.js';
import { ParentBasedSamplerConfigSchema } from '@sluice/envoy-protos/envoy/extensions/tracers/opentelemetry/samplers/v3/parent_based_sampler_pb.js';
import { TraceIdRatioBasedSamplerConfigSchema } from '@sluice/envoy-protos/envoy/extensions/tracers/opentelemetry/samplers/v3/trace_id_ratio_based_sampler_pb.js';
import { FractionalPercent_DenominatorType } from '@sluice/envoy-protos/envoy/type/v3/percent_pb.js';
import { anyOf } from './encode.ts';
import type { Init } from './messages.ts';

/** Of a million. */
const OF_ONE_PERCENT = 10_000;

/**
 * Decides whether a request is told of: as the span says by which it was sent, else by chance.
 * @param sampling in percent, to four places
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/tracers/opentelemetry/samplers/v3/parent_based_sampler.proto
 */
export function translateSampler(sampling: number): Init<typeof TypedExtensionConfigSchema> {
  const samplingPercentage = { numerator: Math.round(sampling * OF_ONE_PERCENT), denominator: FractionalPercent_DenominatorType.MILLION };
  const wrappedSampler = {
    name: 'envoy.tracers.opentelemetry.samplers.trace_id_ratio_based',
    typedConfig: anyOf(TraceIdRatioBasedSamplerConfigSchema, { samplingPercentage }),
  };
  return {
    name: 'envoy.tracers.opentelemetry.samplers.parent_based',
    typedConfig: anyOf(ParentBasedSamplerConfigSchema, { wrappedSampler }),
  };
}

/**
 * Leaves it to the sampler. Envoy would decide by `x-request-id` first, where an id that is no UUID means that nothing is told, and would write into the
 * id what it found. Who makes ids, and which are kept, stays as it is.
 */
export const UNASKED_REQUEST_ID: Init<typeof RequestIDExtensionSchema> = {
  typedConfig: anyOf(UuidRequestIdConfigSchema, { useRequestIdForTraceSampling: false }),
};
