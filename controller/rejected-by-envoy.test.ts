import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentedCodes } from '../testkit/documented-codes.ts';
import { REJECTED_BY_ENVOY, rejectedByEnvoy } from './rejected-by-envoy.ts';

test('the code stands in docs/diagnostics.md as it stands here', () => {
  assert.deepEqual(documentedCodes('What Envoy refuses'), [REJECTED_BY_ENVOY]);
});

test('every field that it came from is told, and it is told also where none is known', () => {
  const object = { kind: 'Ingress', namespace: 'default', name: 'web' };
  const found = { severity: 'error', code: 'RejectedByEnvoy', message: 'no' };
  assert.deepEqual(rejectedByEnvoy('no', [{ object, path: ['spec'] }]), [{ ...found, object, path: ['spec'] }]);
  assert.deepEqual(rejectedByEnvoy('no', []), [{ ...found, path: [] }]);
});
