import { setTimeout as sleep } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { z } from 'zod';
import { LOOPBACK } from '../../bpf/datapath/testing/judged.ts';
import { packet, TCP, tcp } from '../../bpf/datapath/testing/packets.ts';
import { Enforcement } from '../../cli/enforcer/enforcement.ts';
import { IP_PROTOCOLS } from '../../model/index.ts';
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
  /** Answered with the devices of pods that nobody has told the addresses of, at which programs are. */
  z.object({ kind: z.literal('newcomers') }),
  /** Answered with the time, in milliseconds of the monotonic clock, at which the kernel judges a first segment to a pod of this node so. */
  z.object({ kind: z.literal('until-judged'), from: z.string(), to: z.string(), port: z.int(), passes: z.boolean() }),
]);

let enforcement: Enforcement | undefined;

answerParent(requestView, answer);

async function answer(request: z.infer<typeof requestView>): Promise<unknown> {
  if (request.kind === 'until-judged') return await untilJudged(request);
  if (request.kind === 'newcomers') return newcomers();
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
  relay.setOwn({ upserts: [], removals: [] });
  const path = `${storeFolder}.sock`;
  await relay.start({ path });
  enforcement = await Enforcement.start({
    upstream: addressOf(path),
    nodeName,
    pinFolder,
    stateFolder: `${storeFolder}-network`,
    cgroup,
    onEvent: (event) => tellParent(event.kind === 'failed' ? { kind: 'failed', message: String(event.error) } : event),
  });
  return undefined;
}

async function untilJudged({ from, to, port, passes }: Extract<z.infer<typeof requestView>, { kind: 'until-judged' }>): Promise<number> {
  if (!enforcement) throw new Error('not started');
  const { datapath } = enforcement;
  const segment = (source: number) => packet({ from, to, protocol: IP_PROTOCOLS.TCP }, tcp(source, port, TCP.SYN));
  const pod = [...datapath.endpoints.entries()].find(([, { addresses }]) => addresses.includes(to));
  if (!pod) throw new Error(`no pod has ${to}`);
  await datapath.endpoints.set(LOOPBACK, pod[1]);
  for (let source = 1_024; datapath.testRun('to_pod', segment(source)).isPassed !== passes; source = (source + 1) % 65_536) await sleep(1);
  return Number(process.hrtime.bigint()) / 1e6;
}

function newcomers(): readonly object[] {
  const attached = enforcement?.datapath.attached() ?? new Map();
  const came = enforcement?.node.state().newcomers.filter(({ ifindex }) => attached.has(ifindex)) ?? [];
  return came.map(({ key: device, identity, addresses }) => ({ device, identity, addresses }));
}
