// node examples/count-packets.ts OBJECT DEVICE: tells each second who sent how many packets to a device.
// The object: clang -O2 -g -target bpf -c examples/count-packets.bpf.c -o count-packets.bpf.o

import { readFileSync } from 'node:fs';
import { setInterval } from 'node:timers/promises';
import { BpfError, bytes, ObjectSpec, u64 } from '../index.ts';

const [object = 'count-packets.bpf.o', device = 'lo'] = process.argv.slice(2);

async function main(): Promise<void> {
  using spec = ObjectSpec.open(object);
  using loaded = await spec.load();
  const ifindex = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'utf8'));
  using _filter = loaded.program('count').attachToDevice({ ifindex, direction: 'ingress' });
  const packets = loaded.map('packets', bytes(4), u64);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  try {
    for await (const _ of setInterval(1_000, undefined, { signal: stop.signal })) {
      for (const [source, count] of packets.entries()) console.log(`${source.join('.')}  ${count}`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BpfError)) throw error;
  console.error(error.verifierLog ?? error.message);
  process.exitCode = 1;
}
