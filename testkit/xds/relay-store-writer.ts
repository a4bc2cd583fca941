import { RelayStore } from '../../xds-server/relay/index.ts';
import { CLUSTER_TYPE } from '../../xds-server/serve/index.ts';
import { modelResource } from './model-resources.ts';

// A process that changes a store until it is killed, and says up to which version everything is written.

const [folder = '', from = '0'] = process.argv.slice(2);
const store = RelayStore.open({ folder, gatherMs: 0 });
for (let version = Number(from) + 1; ; version++) {
  const name = `c${version % 7}`;
  store.put(modelResource(CLUSTER_TYPE, name, String(version), [{ typeUrl: 'padding', name: 'x'.repeat(20_000) }]));
  await store.flush();
  process.stdout.write(`${version}\n`);
}
