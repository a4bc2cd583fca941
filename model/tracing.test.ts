import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectorAddress } from './tracing.ts';

const CASES = [
  ['http://collector.svc:4317', { host: 'collector.svc', port: 4317, isSecure: false }],
  ['http://collector.svc:80', { host: 'collector.svc', port: 80, isSecure: false }],
  ['https://collector.svc:443/v1', { host: 'collector.svc', port: 443, isSecure: true }],
  ['https://10.0.0.7:80/', { host: '10.0.0.7', port: 80, isSecure: true }],
  ['http://[fd00::7]:4317', { host: 'fd00::7', port: 4317, isSecure: false }],
  ['http://collector', { host: 'collector', port: 80, isSecure: false }],
  ['https://collector/otlp', { host: 'collector', port: 443, isSecure: true }],
] as const;

for (const [endpoint, expected] of CASES) {
  test(`where ${endpoint} is`, () => {
    assert.deepEqual(collectorAddress({ endpoint, protocol: 'grpc', certificateAuthorities: '' }), expected);
  });
}
