import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { HealthCheckSchema } from '@sluice/envoy-protos/envoy/config/core/v3/health_check_pb.js';
import { healthCheckProblem } from './health-checks.ts';

for (const [timeout, initialJitter, expected] of [
  [undefined, undefined, undefined],
  [5_000, undefined, undefined],
  [4_000, 1_000, undefined],
  [5_001, undefined, 'timeout'],
  [60_000, 60_000, 'timeout'],
  [4_000, 1_001, 'initialJitter'],
  [undefined, 5_001, 'initialJitter'],
] as const) {
  test(`a first check that waits up to ${initialJitter} ms, and then takes up to ${timeout} ms, has a wrong ${expected}`, () => {
    const check = create(HealthCheckSchema, {
      ...(timeout !== undefined && { timeout: durationFromMs(timeout) }),
      ...(initialJitter !== undefined && { initialJitter: durationFromMs(initialJitter) }),
    });
    assert.equal(healthCheckProblem(check, new Set())?.field, expected);
    assert.equal(healthCheckProblem(check, new Set(['envoy.config.core.v3.HealthCheck.timeout'])), undefined);
  });
}
