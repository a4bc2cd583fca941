import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDenied, knownRefusalOf, NETWORK_RBAC, passedBy, RBAC, refusalOf, wouldBeDenied } from './rbac.ts';

describe('what Envoy says of what it judged', () => {
  for (const [details, denied, refusal, known] of [
    ['rbac_access_denied_matched_policy[none]', true, undefined, undefined],
    ['rbac_access_denied_matched_policy[several-hosts]', true, 'several-hosts', 'several-hosts'],
    ['rbac_access_denied_matched_policy[of-tomorrow]', true, 'of-tomorrow', undefined],
    ['via_upstream', false, undefined, undefined],
    [undefined, false, undefined, undefined],
  ] as const) {
    test(`by ${details}`, () =>
      assert.deepEqual([isDenied(details), refusalOf(details), knownRefusalOf(details)], [denied, refusal, known]));
  }

  for (const [metadata, denied, name] of [
    [undefined, [false, false], undefined],
    [{ [RBAC]: { shadow_engine_result: 'denied' } }, [true, false], undefined],
    [{ [NETWORK_RBAC]: { shadow_engine_result: 'denied' } }, [false, true], undefined],
    [{ [RBAC]: { enforced_effective_policy_id: 'ingress a', shadow_effective_policy_id: 'b' } }, [false, false], 'ingress a'],
    [{ [RBAC]: { shadow_engine_result: 'allowed', shadow_effective_policy_id: 'b' } }, [false, false], 'b'],
    [{ [RBAC]: { enforced_effective_policy_id: 7 } }, [false, false], undefined],
  ] as const) {
    test(`by ${JSON.stringify(metadata)}`, () => {
      assert.deepEqual([wouldBeDenied(metadata, RBAC), wouldBeDenied(metadata, NETWORK_RBAC)], denied);
      assert.equal(passedBy(metadata), name);
    });
  }
});
