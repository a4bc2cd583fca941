import { credentials } from '@grpc/grpc-js';
import { NetlinkError } from '../../agent/netlink/index.ts';
import { DatapathError } from '../../bpf/datapath/index.ts';
import { Metrics } from '../../controller/admin/metrics.ts';
import { startAdminServer } from '../../controller/admin/server.ts';
import { resourceTypeOf } from '../../controller/render.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';
import type { Log, LogEntry } from '../log.ts';
import { type StopSignals, whenAborted } from '../stop-signals.ts';
import { Enforcement, type EnforcementEvent, type EnforcementOptions } from './enforcement.ts';
import { EnforcerView } from './enforcer-view.ts';

export interface EnforcerOptions {
  /** Of the agent of this node. */
  readonly socket: string;
  readonly pinFolder: string;
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
  const { socket, pinFolder, cgroup, nodeName, adminPort, log } = options;
  await using cleanUp = new AsyncDisposableStack();
  const upstream = { target: `unix:${socket}`, credentials: credentials.createInsecure(), backOff: BACK_OFF };
  const enforcement = cleanUp.use(
    await start({ upstream, nodeName, pinFolder, ...(cgroup && { cgroup }), onEvent: (event) => log(entryOf(event)) }),
  );
  const view = new EnforcerView(enforcement);
  const admin = await startAdminServer({ view, metrics: new Metrics(view), port: adminPort });
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

function entryOf(event: EnforcementEvent): LogEntry {
  switch (event.kind) {
    case 'connected':
      return { level: 'info', event: 'upstream', text: 'the agent answers' };
    case 'disconnected':
      return { level: 'warn', event: 'upstream', text: `the agent is away: ${event.message}; what is in force stays` };
    case 'refused':
      return { level: 'error', event: 'refused', text: `${resourceTypeOf(event.typeUrl)} ${event.name} is not enforced: ${event.message}` };
    case 'in-force':
      return { level: 'info', event: 'ready', text: 'everything is in force' };
    case 'failed':
      return { level: 'error', event: 'failed', text: describeFailure(event.error) };
  }
}
