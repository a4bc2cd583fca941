import { isMessage, type Message } from '@bufbuild/protobuf';
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt';
import { HealthCheckSchema } from '@sluice/envoy-protos/envoy/config/core/v3/health_check_pb.js';
import type { LoadBalancingProblem } from './load-balancing.ts';

/** The field that operators allow where longer ones are to be. */
const TIMEOUT = `${HealthCheckSchema.typeName}.timeout`;
const MAX_MS = 5_000;

/**
 * Envoy takes no further cluster, of anybody, until each endpoint of a new one was checked once. That takes this long at most, whoever does not
 * answer.
 * @param allow what operators let configs use
 */
export function healthCheckProblem(message: Message, allow: ReadonlySet<string>): LoadBalancingProblem | undefined {
  if (!isMessage(message, HealthCheckSchema) || allow.has(TIMEOUT)) return undefined;
  const [timeout, jitter] = [millisecondsOf(message.timeout), millisecondsOf(message.initialJitter)];
  if (timeout + jitter <= MAX_MS) return undefined;
  const field = timeout > MAX_MS ? 'timeout' : 'initialJitter';
  const what = field === 'timeout' ? 'must be at most 5s' : 'must be at most 5s together with timeout';
  return {
    field,
    problem: `${what}: until it is over, Envoys take no cluster of anybody; or the setting envoyConfig.allow names ${TIMEOUT}`,
  };
}

function millisecondsOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : durationMs(duration);
}
