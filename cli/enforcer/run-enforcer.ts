import { credentials } from '@grpc/grpc-js';
import { NetlinkError } from '../../agent/netlink/index.ts';
import { DatapathError } from '../../bpf/datapath/index.ts';
import { Metrics } from '../../controller/admin/metrics.ts';
import { startAdminServer } from '../../controller/admin/server.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';
import { flowFailure } from '../flow-failure.ts';
import type { Log } from '../log.ts';
import { type StopSignals, whenAborted } from '../stop-signals.ts';
import { Enforcement, type EnforcementOptions } from './enforcement.ts';
import { enforcementEntry } from './enforcement-entry.ts';
import { EnforcerView } from './enforcer-view.ts';
import { FlowTelling } from './flow-telling.ts';

export interface EnforcerOptions {
  /** Of the agent of this node. */
  readonly socket: string;
  readonly pinFolder: string;
  /** For what the node's network was before it was changed. */
  readonly networkState: string;
  /** Of all processes of the node. Default: the root. */
  readonly cgroup?: string;
  readonly nodeName: string;
  readonly adminPort: number;
  readonly log: Log;
}

/** The agent is on this machine: whether it is there again may be asked often. */
const BACK_OFF = { firstMs: 100, maxMs: 1_000 };

/**
 * Has policies enforced as the agent says until it is told to stop; then what is in force stays.
 * @throws CliError where this machine cannot enforce anything
 */
export async function runEnforcer(options: EnforcerOptions, stop: StopSignals): Promise<void> {
  const { socket, pinFolder, networkState: stateFolder, cgroup, nodeName, adminPort: port, log } = options;
  await using cleanUp = new AsyncDisposableStack();
  const upstream = { target: `unix:${socket}`, credentials: credentials.createInsecure(), backOff: BACK_OFF };
  const enforcement = cleanUp.use(
    await start({
      upstream,
      nodeName,
      pinFolder,
      stateFolder,
      ...(cgroup && { cgroup }),
      onEvent: (event) => log(enforcementEntry(event)),
    }),
  );
  cleanUp.use(new FlowTelling({ source: enforcement.datapath, upstream, onFailure: flowFailure(log) }));
  const view = new EnforcerView(enforcement);
  const admin = await startAdminServer({ view, metrics: new Metrics(view), port });
  cleanUp.defer(() => admin.close());
  log({
    level: 'info',
    event: 'started',
    text: `node ${nodeName}, agent at ${socket}, tables in ${pinFolder}, admin on port ${admin.port}`,
  });
  await whenAborted(stop.graceful);
  log({ level: 'info', event: 'stopping', text: `on ${String(stop.graceful.reason)}; what is in force stays` });
}

async function start(options: EnforcementOptions): Promise<Enforcement> {
  try {
    return await Enforcement.start(options);
  } catch (error) {
    if (error instanceof DatapathError || error instanceof NetlinkError)
      throw new CliError('failed', describeFailure(error), { cause: error });
    throw error;
  }
}
