import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RelayStore, type StoreEvent } from '../../xds-server/relay/index.ts';
import { CLUSTER_TYPE } from '../../xds-server/serve/index.ts';
import { modelResource } from './model-resources.ts';

// Run on a file system of its own: fills it, changes a store meanwhile, makes room, and says what became of the store.

const [disk = ''] = process.argv.slice(2);
const folder = join(disk, 'store');
const filler = join(disk, 'filler');
const events: StoreEvent[] = [];
const recovered = new EventTarget();
const store = RelayStore.open({
  folder,
  gatherMs: 0,
  retryMs: 20,
  onEvent: (event) => {
    events.push(event);
    if (event.kind === 'recovered') recovered.dispatchEvent(new Event('recovered'));
  },
});
writeFileSync(filler, Buffer.alloc(200 * 1024));
let puts = 0;
for (; !store.isFailing; puts++) {
  store.put(modelResource(CLUSTER_TYPE, `c${puts}`, '1', [{ typeUrl: 'padding', name: 'x'.repeat(20_000) }]));
  await store.flush();
}
store.put(modelResource(CLUSTER_TYPE, 'last', '1'));
const ended = once(recovered, 'recovered');
rmSync(filler);
// The store's timers keep no process alive.
const alive = setInterval(() => {}, 1_000);
await ended;
clearInterval(alive);
await store.close();
const found = [...RelayStore.open({ folder, onEvent: (event) => events.push(event) }).resources()].map(({ name }) => name);
process.stdout.write(JSON.stringify({ puts, found, events: events.map(({ kind }) => kind) }));
