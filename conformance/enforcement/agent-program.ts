import { credentials } from '@grpc/grpc-js';
import { z } from 'zod';
import { Enforcement } from '../../cli/enforcer/enforcement.ts';
import { answerParent, tellParent } from '../../testkit/answer-parent.ts';
import { ENFORCER, Relay, RelayStore } from '../../xds-server/relay/index.ts';

// An agent's relay and what enforces policy behind it, in the network that they were started in.

const startView = z.object({
  socket: z.string(),
  nodeName: z.string(),
  pinFolder: z.string(),
  cgroup: z.string(),
  storeFolder: z.string(),
});
const requestView = z.discriminatedUnion('kind', [
  startView.extend({ kind: z.literal('start') }),
  z.object({ kind: z.literal('connections') }),
  z.object({ kind: z.literal('packets'), outcome: z.string() }),
]);

let enforcement: Enforcement | undefined;

answerParent(requestView, answer);

async function answer(request: z.infer<typeof requestView>): Promise<unknown> {
  if (request.kind === 'connections') return [...(enforcement?.datapath.connections() ?? [])].length;
  if (request.kind === 'packets') {
    const counters = (enforcement?.datapath.counters() ?? []).filter(({ outcome }) => outcome === request.outcome);
    return counters.reduce((sum, { packets }) => sum + Number(packets), 0);
  }
  const { socket, nodeName, pinFolder, cgroup, storeFolder } = request;
  const addressOf = (path: string) => ({
    target: `unix:${path}`,
    credentials: credentials.createInsecure(),
    backOff: { firstMs: 20, maxMs: 200 },
  });
  const store = RelayStore.open({ folder: storeFolder, gatherMs: 1 });
  const relay = new Relay({ upstream: addressOf(socket), client: ENFORCER, nodeId: nodeName, store, holdMs: 1_000, graceMs: 200 });
  const path = `${storeFolder}.sock`;
  await relay.start({ path });
  enforcement = await Enforcement.start({
    upstream: addressOf(path),
    nodeName,
    pinFolder,
    cgroup,
    onEvent: (event) => tellParent(event.kind === 'failed' ? { kind: 'failed', message: String(event.error) } : event),
  });
  return undefined;
}
