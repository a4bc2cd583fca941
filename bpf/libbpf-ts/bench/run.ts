// node bench/run.ts: how fast maps, batches and ring buffers are on this machine. As root, with clang.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BpfError, type LoadedObject, ObjectSpec, struct, u16, u32, u64 } from '../index.ts';
import { CompiledPrograms } from '../testing/compiled-programs.ts';
import { longestPauseDuring } from './pause.ts';

const ROUNDS = 15;
const LOOKUPS = 200_000;
const BATCH = 100_000;
const STARTS = 10;
const EVENTS_A_PACKET = 3_072;
const PACKET = new Uint8Array(64);
const START = fileURLToPath(new URL('start.ts', import.meta.url));

/** Quartiles of several rounds, of what one gives. */
async function rounds(what: string, unit: string, round: () => Promise<number> | number): Promise<void> {
  const all: number[] = [];
  for (let count = 0; count < ROUNDS; count += 1) all.push(await round());
  all.sort((a, b) => a - b);
  const at = (part: number) => Math.round(all[Math.floor((all.length - 1) * part)] ?? 0).toLocaleString('en');
  console.log(`${what.padEnd(34)} ${at(0.5)} ${unit} (quartiles ${at(0.25)} to ${at(0.75)})`);
}

function perSecond(count: number, startedAt: number): number {
  return (count / (performance.now() - startedAt)) * 1_000;
}

async function benchMaps(loaded: LoadedObject): Promise<void> {
  const counts = loaded.map('counts', u32, u64);
  for (let key = 0; key < 1_000; key += 1) counts.set(key, BigInt(key));
  await rounds('single lookups', 'a second', () => {
    const startedAt = performance.now();
    for (let count = 0; count < LOOKUPS; count += 1) counts.get(count % 1_000);
    return perSecond(LOOKUPS, startedAt);
  });
  const keys = new Uint8Array(Uint32Array.from({ length: BATCH }, (_, key) => key).buffer);
  const values = new Uint8Array(BATCH * 8);
  await rounds(`updates in batches of ${BATCH}`, 'a second', async () => {
    const startedAt = performance.now();
    await counts.setAllBytes(keys, values);
    return perSecond(BATCH, startedAt);
  });
  const pauseMs = await longestPauseDuring(async () => {
    for (let count = 0; count < 10; count += 1) await counts.setAllBytes(keys, values);
  });
  console.log(`${'longest pause during batches'.padEnd(34)} ${pauseMs.toFixed(1)} ms`);
}

async function benchRing(loaded: LoadedObject): Promise<void> {
  using events = loaded.ringBuffer('events', struct({ number: u64, round: u32, kind: u16 }), { capacity: 1_000_000 });
  const tell = loaded.program('tell');
  await rounds('events of 64 bytes read', 'a second', async () => {
    let spent = 0;
    let read = 0;
    for (let packet = 0; packet < 40; packet += 1) {
      tell.testRun(PACKET);
      const startedAt = performance.now();
      for (let count = 0; count < EVENTS_A_PACKET; count += 1) await events.next();
      spent += performance.now() - startedAt;
      read += EVENTS_A_PACKET;
    }
    return (read / spent) * 1_000;
  });
  if (events.dropped > 0) throw new Error(`${events.dropped} events were dropped`);
}

function benchStart(object: string): void {
  const times = Array.from({ length: STARTS }, () => {
    const startedAt = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [START, object], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return performance.now() - startedAt;
  }).sort((a, b) => a - b);
  console.log(
    `${'process started to object loaded'.padEnd(34)} ${(times[Math.floor(STARTS / 2)] ?? 0).toFixed(0)} ms, the median of ${STARTS}`,
  );
}

try {
  using programs = new CompiledPrograms();
  const path = programs.compile('maps');
  using mapsSpec = ObjectSpec.open(path);
  using maps = await mapsSpec.load();
  await benchMaps(maps);
  using eventsSpec = ObjectSpec.open(programs.compile('events'));
  eventsSpec.variable('rounds', u32).value = (EVENTS_A_PACKET * 4) / 3;
  eventsSpec.map('events').maxEntries = 1 << 20;
  using events = await eventsSpec.load();
  await benchRing(events);
  benchStart(path);
} catch (error) {
  if (!(error instanceof BpfError)) throw error;
  console.error(error.verifierLog ?? error.message);
  process.exitCode = 1;
}
