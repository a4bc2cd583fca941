import { join } from 'node:path';
import { checkPortsFree, EnvoyError, FLOW_SOCKET, StateFolder, StateFolderError } from '../../agent/index.ts';
import { NetlinkError } from '../../agent/netlink/index.ts';
import { DatapathError } from '../../bpf/datapath/index.ts';
import { startAdminServer } from '../../controller/admin/server.ts';
import { FolderError } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, XdsError } from '../../xds-server/serve/index.ts';
import { CliError } from '../cli-error.ts';
import { beginTraces } from '../control/begin-traces.ts';
import { describeFailure } from '../describe-failure.ts';
import { serveFlows } from '../flows/serve-flows.ts';
import type { Log } from '../log.ts';
import { type StopSignals, whenAborted } from '../stop-signals.ts';
import { RunParts } from './parts.ts';

export interface RunOptions {
  /** The folder of manifests. */
  readonly manifests: string;
  readonly stateDir: string;
  /** The address that Envoy's entry ports listen on. */
  readonly address: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly adminPort: number;
  readonly settings: Settings;
  /** Has policies enforced for the folder's Pods that run on this machine. Default: none are. */
  readonly enforce?: EnforceOptions;
  readonly log: Log;
  /** Called when everything that was read first is served. */
  readonly onReady?: () => void;
}

export interface EnforceOptions {
  /** In a BPF file system. */
  readonly pinFolder: string;
  /** A folder for what the machine's network was before it was changed. */
  readonly networkState: string;
  /** What Pods call this machine; those that name none are on it. */
  readonly nodeName: string;
  /** Of all processes whose Services are translated. Default: the root. */
  readonly cgroup?: string;
}

const LOOPBACK = '127.0.0.1';
const MAX_LAST_WORDS = 5;

/**
 * Serves a folder of manifests until it is told to stop, then lets open requests finish. If Sluice itself fails while it
 * serves, Envoy is left running for the next start to adopt.
 * @throws CliError for what the user can put right
 */
export async function runSluice(options: RunOptions, stop: StopSignals): Promise<void> {
  try {
    await serve(options, stop);
  } catch (error) {
    throw asCliError(error);
  }
}

async function serve(options: RunOptions, stop: StopSignals): Promise<void> {
  const startedAt = performance.now();
  await using cleanUp = new AsyncDisposableStack();
  const state = cleanUp.use(StateFolder.open(options.stateDir));
  await requireFreePorts(options, state);
  const parts = new RunParts(options, state);
  await begin(parts, options, { state, cleanUp });
  const adminPort = await startAdmin(parts, options, cleanUp);
  const ended = new AbortController();
  const following = parts.control.controller.run(ended.signal);
  cleanUp.defer(async () => {
    ended.abort();
    await following.catch(() => {});
  });
  cleanUp.defer(() => parts.control.tellFindings());
  const stopRequested = whenAborted(stop.graceful);
  try {
    await Promise.race([startEnvoy(parts, ended.signal), following, stopRequested]);
    if (!stop.graceful.aborted) tellReady(options, adminPort, startedAt);
    await Promise.race([following, stopRequested]);
  } catch (error) {
    if (parts.envoyState.servesFirstSnapshot) parts.envoy.detach();
    else await parts.envoy.stop({ drainMs: 0 });
    throw error;
  }
  await stopEnvoy(parts, options, stop);
}

/** All that is there before anything is served, so that an Envoy that runs does not lose its slots. */
async function begin(
  parts: RunParts,
  { settings, log }: RunOptions,
  { state, cleanUp }: { readonly state: StateFolder; readonly cleanUp: AsyncDisposableStack },
): Promise<void> {
  const { control, policy, flows, envoy } = parts;
  await cleanUp.use(beginTraces(control, policy?.parts, { settings: settings.tracing, log }))?.tried;
  cleanUp.defer(() => control.server.close());
  cleanUp.use(policy ?? flows);
  await control.server.listen({ path: state.xdsSocket });
  const { metrics, tasks } = control;
  const served = flows && serveFlows({ flows, socket: join(state.path, FLOW_SOCKET), settings, metrics, envoy: envoy.admin, tasks, log });
  cleanUp.use(served);
  await parts.startEnforcing();
  await served?.tried;
}

/** @returns its port */
async function startAdmin(parts: RunParts, { adminPort }: RunOptions, cleanUp: AsyncDisposableStack): Promise<number> {
  const { policy, control } = parts;
  const { view, metrics } = control;
  const explaining = policy && { explainDenial: (id: string) => policy.explainDenial(id) };
  const admin = await startAdminServer({ view, metrics, port: adminPort, ...explaining });
  cleanUp.defer(() => admin.close());
  return admin.port;
}

async function startEnvoy(parts: RunParts, ended: AbortSignal): Promise<void> {
  await parts.envoy.start();
  await parts.control.server.waitSynced(parts.nodeId, { types: [LISTENER_TYPE, CLUSTER_TYPE], signal: ended });
  const { uptimeSeconds } = await parts.envoy.admin.serverInfo();
  parts.envoyState.noteUptime(uptimeSeconds);
  parts.envoyState.servesFirstSnapshot = true;
}

function tellReady({ log, address, httpPort, httpsPort, onReady }: RunOptions, adminPort: number, startedAt: number): void {
  const host = address.includes(':') ? `[${address}]` : address;
  const milliseconds = Math.round(performance.now() - startedAt);
  log({
    level: 'info',
    event: 'ready',
    text: `http ${host}:${httpPort}, https ${host}:${httpsPort}, admin http://${LOOPBACK}:${adminPort}, after ${milliseconds} ms`,
    fields: { address, httpPort, httpsPort, adminPort, milliseconds },
  });
  onReady?.();
}

async function stopEnvoy(parts: RunParts, { log, settings }: RunOptions, stop: StopSignals): Promise<void> {
  log({ level: 'info', event: 'stopping', text: `on ${String(stop.graceful.reason)}; once more to stop at once` });
  const stopNow = () => {
    log({ level: 'info', event: 'stopping', text: `at once, on ${String(stop.immediate.reason)}` });
    void parts.envoy.stop({ drainMs: 0 });
  };
  stop.immediate.addEventListener('abort', stopNow);
  await parts.envoy.stop({ drainMs: stop.immediate.aborted ? 0 : settings.envoy.drainTime });
  stop.immediate.removeEventListener('abort', stopNow);
}

/** @throws CliError that names whoever holds a port */
async function requireFreePorts({ address, httpPort, httpsPort, adminPort }: RunOptions, state: StateFolder): Promise<void> {
  const wanted = [
    { address, port: httpPort },
    { address, port: httpsPort },
    { address: LOOPBACK, port: adminPort },
  ];
  const ours = state.findEnvoy()?.pid;
  const problems = await checkPortsFree(wanted, ours === undefined ? [] : [ours]);
  if (problems.length > 0) throw new CliError('failed', problems.map(({ message }) => message).join('; '));
}

function asCliError(error: unknown): unknown {
  if (error instanceof DatapathError || error instanceof NetlinkError)
    return new CliError('failed', describeFailure(error), { cause: error });
  if (error instanceof FolderError) return new CliError('usage', error.message, { cause: error });
  if (error instanceof EnvoyError) {
    const lines = error.lines.slice(-MAX_LAST_WORDS, -1).map((line) => `\n  ${line}`);
    return new CliError('failed', `${error.message}${lines.join('')}`, { cause: error });
  }
  const cannotListen = error instanceof XdsError && (error.code === 'address-in-use' || error.code === 'listen-failed');
  if (cannotListen || error instanceof StateFolderError) return new CliError('failed', error.message, { cause: error });
  return error;
}
