import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type BpfMap, ObjectSpec, u32, u64 } from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');
const OBJECTS = 20;
const ATTEMPTS = 100;
const ROUNDS = 10;
const ENTRIES = 50_000;

/** Maps and programs of this process that are open. */
function openInKernel(): number {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => /bpf-(?:map|prog)/.test(target)).length;
}

test('what is used stays, and what is forgotten is given back', loads(), async () => {
  using programs = new CompiledPrograms();
  const path = programs.compile('maps');
  const before = openInKernel();
  const mapOf = async (): Promise<BpfMap<number, bigint>> => {
    using spec = ObjectSpec.open(path);
    const map = (await spec.load()).map('counts', u32, u64);
    map.set(1, 7n);
    return map;
  };
  const kept = await mapOf();
  const ofOne = openInKernel() - before;
  assert.ok(ofOne > 5, `only ${ofOne} are open`);
  for (let count = 0; count < OBJECTS; count += 1) await mapOf();
  for (let attempt = 0; openInKernel() > before + ofOne; attempt += 1) {
    assert.ok(attempt < ATTEMPTS, `${openInKernel() - before} are open`);
    collect();
    await setImmediate();
  }
  assert.equal(kept.get(1), 7n);
  assert.equal(openInKernel(), before + ofOne);
});

test('what a thread reads and writes stays where it is until it is done', loads(), async () => {
  using programs = new CompiledPrograms();
  using spec = ObjectSpec.open(programs.compile('maps'));
  using loaded = await spec.load();
  const counts = loaded.map('counts', u32, u64);
  const garbage: Uint8Array[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // Nobody but the call has the arrays. What was freed is taken by others at once, and filled.
    const written = counts.setAllBytes(...entriesOf(round));
    collect();
    for (let count = 0; count < 10; count += 1) garbage.push(new Uint8Array(ENTRIES * 8).fill(0xff));
    await written;
    const read: number[] = [];
    const reading = (async () => {
      for await (const batch of counts.batches()) for (const [key, value] of batch) if (value === BigInt(round)) read.push(key);
    })();
    collect();
    garbage.splice(0);
    await reading;
    assert.equal(read.length, ENTRIES, `round ${round}: other entries were written or read`);
    await counts.deleteAll(read);
  }
});

function entriesOf(round: number): [keys: Uint8Array, values: Uint8Array] {
  const keys = Uint32Array.from({ length: ENTRIES }, (_, index) => round * ENTRIES + index);
  return [new Uint8Array(keys.buffer), new Uint8Array(new BigUint64Array(ENTRIES).fill(BigInt(round)).buffer)];
}
