// node bench/run.ts: how fast maps, batches and ring buffers are on this machine. As root, with clang.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BpfError, type LoadedObject, ObjectSpec, struct, u16, u32, u64 } from '../index.ts';
import { CompiledPrograms } from '../testing/compiled-programs.ts';
import { longestPausesDuring, type Pauses } from './pause.ts';

const ROUNDS = 15;
const LOOKUPS = 200_000;
const BATCH = 100_000;
const STARTS = 10;
const PACKETS = 40;
const EVENTS_A_PACKET = 3_072;
const PACKET = new Uint8Array(64);
const START = fileURLToPath(new URL('start.ts', import.meta.url));

interface Rates {
  readonly ofTime: number;
  readonly ofProcessor: number;
}

/** How many a second, and how many a second of processor time, which others on the machine change less. */
async function rated(count: number, work: () => Promise<void> | void): Promise<Rates> {
  const [startedAt, before] = [performance.now(), process.cpuUsage()];
  await work();
  const seconds = (performance.now() - startedAt) / 1e3;
  const { user, system } = process.cpuUsage(before);
  return { ofTime: count / seconds, ofProcessor: count / ((user + system) / 1e6) };
}

/** Quartiles of several rounds. */
async function rounds(what: string, round: () => Promise<Rates>): Promise<void> {
  const all: Rates[] = [];
  for (let count = 0; count < ROUNDS; count += 1) all.push(await round());
  const quartiles = (rateOf: (rates: Rates) => number) => {
    const sorted = all.map(rateOf).sort((a, b) => a - b);
    const at = (part: number) => Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toLocaleString('en');
    return `${at(0.5)} (quartiles ${at(0.25)} to ${at(0.75)})`;
  };
  console.log(what);
  console.log(`  a second                    ${quartiles(({ ofTime }) => ofTime)}`);
  console.log(`  a second of processor time  ${quartiles(({ ofProcessor }) => ofProcessor)}`);
}

async function benchMaps(loaded: LoadedObject): Promise<void> {
  const counts = loaded.map('counts', u32, u64);
  for (let key = 0; key < 1_000; key += 1) counts.set(key, BigInt(key));
  await rounds('single lookups', () =>
    rated(LOOKUPS, () => {
      for (let count = 0; count < LOOKUPS; count += 1) counts.get(count % 1_000);
    }),
  );
  const keys = new Uint8Array(Uint32Array.from({ length: BATCH }, (_, key) => key).buffer);
  const values = new Uint8Array(BATCH * 8);
  await rounds(`updates in batches of ${BATCH}`, () => rated(BATCH, () => counts.setAllBytes(keys, values)));
  await tellPauses('batches of bytes', async () => {
    for (let count = 0; count < 10; count += 1) await counts.setAllBytes(keys, values);
  });
  const entries = Array.from({ length: BATCH }, (_, key) => [key, BigInt(key)] as const);
  await rounds(`updates of ${BATCH} entries that are encoded`, () => rated(BATCH, () => counts.setAll(entries)));
  await tellPauses('batches of entries, written and read', async () => {
    for (let count = 0; count < 5; count += 1) {
      await counts.setAll(entries);
      for await (const batch of counts.batches()) if (batch.length === 0) throw new Error('a batch is empty');
    }
  });
}

/** The longest turns of the event loop in several rounds: others on the machine and the garbage collector come by in some of them. */
async function tellPauses(what: string, work: () => Promise<void>): Promise<void> {
  const all: Pauses[] = [];
  for (let count = 0; count < ROUNDS; count += 1) all.push(await longestPausesDuring(work));
  const told = (of: (pauses: Pauses) => number) => {
    const sorted = all.map(of).sort((a, b) => a - b);
    return `median ${(sorted[Math.floor(ROUNDS / 2)] ?? 0).toFixed(1)}, most ${(sorted.at(-1) ?? 0).toFixed(1)} ms`;
  };
  console.log(`longest turn of the event loop during ${what}`);
  console.log(`  time            ${told(({ ofTime }) => ofTime)}`);
  console.log(`  processor time  ${told(({ ofProcessor }) => ofProcessor)}`);
}

async function benchRing(loaded: LoadedObject): Promise<void> {
  using events = loaded.ringBuffer('events', struct({ number: u64, round: u32, kind: u16 }), { capacity: 1_000_000 });
  const tell = loaded.program('tell');
  await rounds('events of 64 bytes read', async () => {
    const all: Rates[] = [];
    for (let packet = 0; packet < PACKETS; packet += 1) {
      tell.testRun(PACKET);
      const read = await rated(EVENTS_A_PACKET, async () => {
        for (let count = 0; count < EVENTS_A_PACKET; count += 1) await events.next();
      });
      all.push(read);
    }
    const mean = (rateOf: (rates: Rates) => number) => PACKETS / all.reduce((sum, rates) => sum + 1 / rateOf(rates), 0);
    return { ofTime: mean(({ ofTime }) => ofTime), ofProcessor: mean(({ ofProcessor }) => ofProcessor) };
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
  let loading: LoadedObject | undefined;
  await tellPauses('a load', async () => {
    using spec = ObjectSpec.open(path);
    loading?.[Symbol.dispose]();
    loading = await spec.load();
  });
  loading?.[Symbol.dispose]();
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
