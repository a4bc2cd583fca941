import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { missingFor } from './features.ts';
import { BpfError, MapType, ObjectSpec, supportsHelper, supportsMapType, supportsProgramType } from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const SCHED_CLS = 3;
const SK_MSG = 16;
const CGROUP_SOCK_ADDR = 18;
const TRACING = 26;
const CONNECT4 = 10;
const SENDMSG4 = 14;
const NO_SUCH_TYPE = 9_999;
const HELPERS = { ktimeGetNs: 5, skbLoadBytes: 26, overrideReturn: 58, bind: 64, msgRedirectHash: 71, noSuch: 9_999 };

describe('this kernel', loads(), () => {
  test('has what every kernel has that this is for, and not what there is not', () => {
    for (const type of [SCHED_CLS, SK_MSG]) assert.equal(supportsProgramType(type), true, String(type));
    for (const type of [MapType.hash, MapType.lpmTrie, MapType.ringBuffer]) assert.equal(supportsMapType(type), true, String(type));
    for (const supports of [supportsProgramType, supportsMapType]) assert.throws(() => supports(NO_SUCH_TYPE), BpfError);
  });

  test('has helpers for some types of programs and places, and not for others', () => {
    const asked = [
      [SCHED_CLS, HELPERS.ktimeGetNs, undefined, true],
      [SCHED_CLS, HELPERS.skbLoadBytes, undefined, true],
      [SCHED_CLS, HELPERS.overrideReturn, undefined, false],
      [SCHED_CLS, HELPERS.msgRedirectHash, undefined, false],
      [SCHED_CLS, HELPERS.noSuch, undefined, false],
      [SCHED_CLS, -1, undefined, false],
      [SK_MSG, HELPERS.msgRedirectHash, undefined, true],
      [SK_MSG, HELPERS.skbLoadBytes, undefined, false],
      [CGROUP_SOCK_ADDR, HELPERS.bind, undefined, true],
      [CGROUP_SOCK_ADDR, HELPERS.bind, CONNECT4, true],
      [CGROUP_SOCK_ADDR, HELPERS.bind, SENDMSG4, false],
    ] as const;
    for (const [type, helper, place, expected] of asked) {
      assert.equal(supportsHelper(type, helper, place), expected, `helper ${helper} of type ${type} at ${place}`);
    }
    // Such programs need a function that they are for, and others there are none.
    for (const type of [TRACING, NO_SUCH_TYPE]) {
      assert.throws(
        () => supportsHelper(type, HELPERS.ktimeGetNs),
        (error) => error instanceof BpfError && error.code === 'probe-failed',
      );
    }
  });

  test('is named with what it lacks where an object calls it', async () => {
    using programs = new CompiledPrograms();
    using spec = ObjectSpec.open(programs.compile('helpers-missing'));
    await assert.rejects(spec.load(), (error) => {
      assert.ok(error instanceof BpfError);
      assert.equal(error.program, 'calls_too_much');
      assert.deepEqual(
        error.missing.map((what) => what.replace(/^helper \S+#/, '')),
        ['58 for programs of the type sched_cls', '9999 for programs of the type sched_cls'],
      );
      assert.match(error.message, /, which has no helper \S+#58 for programs of the type sched_cls, no helper /);
      return true;
    });
  });

  test('lacks nothing of what it has', () => {
    assert.deepEqual(missingFor([{ type: SCHED_CLS }], [{ type: MapType.hash }, { type: MapType.hash }]), []);
  });
});
