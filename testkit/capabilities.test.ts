import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Capability, readRequired, skipUnless } from './capabilities.ts';

const none = new Set<Capability>();

function machine(missing: Partial<Record<Capability, string>>) {
  return {
    envoy: () => missing.envoy,
    root: () => missing.root,
    ipv6: () => missing.ipv6,
    cluster: () => missing.cluster,
    collector: () => missing.collector,
    bpf: () => missing.bpf,
    netns: () => missing.netns,
    prometheus: () => missing.prometheus,
  };
}

describe('skipUnless', () => {
  test('runs where the machine has what is needed', () => {
    assert.deepEqual(skipUnless(['ipv6', 'root'], none, machine({ envoy: 'gone' })), { skip: false });
    assert.deepEqual(skipUnless(['ipv6'], new Set(['ipv6']), machine({})), { skip: false });
  });

  test('skips with every reason where it does not', () => {
    const skip = skipUnless(['ipv6', 'root', 'envoy'], none, machine({ ipv6: 'switched off', root: 'not root' }));
    assert.deepEqual(skip, { skip: 'ipv6: switched off; root: not root' });
  });

  test('fails where what is missing is required', () => {
    assert.throws(() => skipUnless(['root', 'ipv6'], new Set(['ipv6']), machine({ root: 'not root', ipv6: 'switched off' })), {
      name: 'CapabilityError',
      code: 'capability-missing',
      message: 'SLUICE_REQUIRE lists ipv6, but: switched off',
    });
  });
});

describe('readRequired', () => {
  test('reads names separated by commas', () => {
    assert.deepEqual(readRequired(undefined), none);
    assert.deepEqual(readRequired(''), none);
    assert.deepEqual(readRequired('envoy, ipv6,'), new Set(['envoy', 'ipv6']));
  });

  test('refuses a name that it does not know', () => {
    for (const list of ['envoy,ipv7', 'toString']) assert.throws(() => readRequired(list), { code: 'unknown-capability' });
  });
});
