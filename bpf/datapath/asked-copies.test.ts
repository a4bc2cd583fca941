import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import { Datapath } from './index.ts';
import { SMALL } from './testing/judged.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const [COPY, OTHER, SLOT] = [10_001, 10_002, 10_003];

describe('which copy of a listener asks which rules', needs('root', 'bpf'), () => {
  let datapath: Datapath;
  const open = async () => {
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
  };
  beforeEach(open);
  afterEach(() => datapath.cleanUp());
  const inKernel = () => {
    using map = openMap(`${PINS}/asked_copies`, ...maps.asked_copies);
    return new Map([...map.entries()]);
  };

  test('is what was set last, also after a restart', async () => {
    for (const asked of [
      new Map(),
      new Map([[COPY, SLOT]]),
      new Map([
        [COPY, OTHER],
        [OTHER, SLOT],
      ]),
      new Map([[OTHER, SLOT]]),
    ]) {
      await datapath.askedCopies.set(asked);
      assert.deepEqual(inKernel(), new Map([...asked].map(([copy, slot]) => [copy, { copy, slot }])));
      assert.deepEqual(
        [COPY, OTHER].map((copy) => datapath.askedCopies.slotOf(copy)),
        [COPY, OTHER].map((copy) => asked.get(copy) ?? 0),
      );
    }
    datapath[Symbol.dispose]();
    await open();
    assert.deepEqual([datapath.askedCopies.slotOf(COPY), datapath.askedCopies.slotOf(OTHER)], [0, SLOT]);
  });

  test('is put back where somebody else changed it', async () => {
    await datapath.askedCopies.set(new Map([[COPY, SLOT]]));
    using map = openMap(`${PINS}/asked_copies`, ...maps.asked_copies);
    map.set(COPY, { copy: OTHER, slot: SLOT });
    map.set(OTHER, { copy: OTHER, slot: SLOT });
    assert.deepEqual(await datapath.askedCopies.repair(), { foreign: [String(OTHER)], missing: [String(COPY)] });
    assert.deepEqual(inKernel(), new Map([[COPY, { copy: COPY, slot: SLOT }]]));
    assert.deepEqual(await datapath.askedCopies.repair(), { foreign: [], missing: [] });
  });
});
