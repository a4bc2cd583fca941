import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { missingFor } from './features.ts';
import { BpfError, MapType, supportsMapType, supportsProgramType } from './index.ts';
import { loads } from './testing/compiled-programs.ts';

const SCHED_CLS = 3;
const SK_MSG = 16;
const NO_SUCH_TYPE = 9_999;

describe('this kernel', loads(), () => {
  test('has what every kernel has that this is for, and not what there is not', () => {
    for (const type of [SCHED_CLS, SK_MSG]) assert.equal(supportsProgramType(type), true, String(type));
    for (const type of [MapType.hash, MapType.lpmTrie, MapType.ringBuffer]) assert.equal(supportsMapType(type), true, String(type));
    for (const supports of [supportsProgramType, supportsMapType]) assert.throws(() => supports(NO_SUCH_TYPE), BpfError);
  });

  test('lacks nothing of what it has', () => {
    assert.deepEqual(missingFor([{ type: SCHED_CLS }], [{ type: MapType.hash }, { type: MapType.hash }]), []);
  });
});
