import type {
  ClusterStatus,
  EnvoyStatus,
  FlowsStatus,
  RelayStatus,
  SlotStatus,
  Status,
  SteeringStatus,
} from '../../controller/admin/status.ts';
import { describeConfig } from './configs.ts';
import { formatCounts, plural } from './diagnostics.ts';
import { describeLosses } from './flow-losses.ts';

const LABEL_WIDTH = 11;

/** @param now milliseconds since 1970 */
export function formatStatus(status: Status, now: number): string {
  const { entry, envoy, cluster, relay } = status;
  const lines: [string, string][] = [
    [
      'sluice',
      `${status.version}, pid ${status.pid}, up ${formatAge(status.since, now)}, ${status.ready ? 'ready' : `not ready: ${status.notReady ?? 'starting'}`}`,
    ],
  ];
  if (envoy) lines.push(['envoy', describeEnvoy(envoy, now)]);
  if (status.manifests !== undefined) lines.push(['manifests', status.manifests]);
  if (entry) lines.push(['entry', `http ${entry.address}:${entry.httpPort}, https ${entry.address}:${entry.httpsPort}`]);
  if (cluster) lines.push(...describeCluster(cluster));
  if (relay) lines.push(['controller', describeRelay(relay, now)]);
  if (status.slots) lines.push(...describeSlots(status.slots));
  for (const config of status.configs ?? []) lines.push(['config', describeConfig(config)]);
  if (status.flows) lines.push(['flows', describeFlows(status.flows)]);
  for (const { what, reason } of status.failing ?? []) lines.push(['failing', `${what}: ${reason}`]);
  if (status.enforcement?.steering) lines.push(...describeSteering(status.enforcement.steering));
  lines.push(
    ['objects', formatSizes(status.objects)],
    ['resources', formatSizes(status.resources)],
    ['clients', describeClients(status.clients)],
    ['findings', formatCounts(status.findings)],
    ...status.rejected.map(({ type, name, message, sources }): [string, string] => [
      'rejected',
      `${type} ${name}: ${message}${sources.length > 0 ? `; from ${sources.join(', ')}` : ''}`,
    ]),
  );
  return `${lines.map(([label, text]) => label.padEnd(LABEL_WIDTH) + text).join('\n')}\n`;
}

function describeClients(clients: Status['clients']): string {
  if (clients.length === 0) return 'none';
  return clients.map(({ node, synced }) => `${node} (${synced ? 'in sync' : 'behind'})`).join(', ');
}

function describeCluster({ leader, isLeader, kinds, pendingWrites, failingWrites }: ClusterStatus): [string, string][] {
  const who = leader === undefined ? 'nobody' : `${leader}${isLeader ? ' (this one)' : ''}`;
  const unread = kinds.filter(({ synced, error }) => !synced || error !== undefined);
  return [
    ['leader', pendingWrites > 0 ? `${who}, ${pendingWrites} to write` : who],
    ...unread.map(({ kind, synced, error }): [string, string] => [
      'reading',
      `${kind} ${synced ? 'was read, but' : 'is not read yet'}${error === undefined ? '' : `: ${error}`}`,
    ]),
    ...failingWrites.map(({ what, reason }): [string, string] => ['unwritten', `${what}: ${reason}`]),
  ];
}

function describeSlots(slots: readonly SlotStatus[]): [string, string][] {
  return slots.map(({ name, port, ready, refusal, filterRefusal }) => {
    const state = refusal === undefined ? (ready ? 'ready' : 'waits for Envoy') : `refused: ${refusal}`;
    const rules = filterRefusal === undefined ? '' : `, its rules refused: ${filterRefusal}`;
    return ['slot', `${name}, port ${port}, ${state}${rules}`];
  });
}

function describeSteering({ items, wrong, restored, failure }: SteeringStatus): [string, string][] {
  const changed = wrong.map(({ name, wanted, found }) => `${name} is ${found ?? 'not there'}, not ${wanted}`);
  const counts = `${items - wrong.length} of ${items} things of the network as they are to be`;
  const repairs = restored > 0 ? [`put right ${plural(restored, 'time')}`] : [];
  return [['steering', [failure, counts, ...changed, ...repairs].filter((part) => part !== undefined).join('; ')]];
}

function describeFlows({ remembered, capacity, seen, lost, exported }: FlowsStatus): string {
  const told = exported ? `, ${describeExport(exported)}` : '';
  return `${remembered} of at most ${capacity} remembered, ${seen} seen, ${describeLosses(lost) ?? 'none lost'}${told}`;
}

function describeExport({ sent, waiting, failure }: NonNullable<FlowsStatus['exported']>): string {
  return failure === undefined ? `${sent} exported` : `${sent} exported, ${waiting} waiting: ${failure}`;
}

function describeRelay({ controller, since, error }: RelayStatus, now: number): string {
  const age = formatAge(since, now);
  if (controller !== undefined) return `${controller}, for ${age}`;
  return `none for ${age}${error === undefined ? '' : `: ${error}`}; what was good is served`;
}

function describeEnvoy({ pid, version, adopted, since }: EnvoyStatus, now: number): string {
  if (pid === undefined && since === undefined) return `${version}, not running`;
  return `${version}${pid === undefined ? '' : `, pid ${pid}`}${since === undefined ? '' : `, up ${formatAge(since, now)}`}${adopted ? ', adopted' : ''}`;
}

function formatSizes(sizes: Readonly<Record<string, number>>): string {
  const parts = Object.entries(sizes).filter(([, count]) => count > 0);
  return parts.length === 0 ? 'none' : parts.map(([kind, count]) => `${kind} ${count}`).join(', ');
}

/** Two units at most: `3 days 4 hours`, `12 seconds`. */
export function formatAge(since: string, now: number): string {
  let rest = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  const parts: string[] = [];
  for (const [unit, seconds] of [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
    ['second', 1],
  ] as const) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(plural(count, unit));
  }
  return parts.slice(0, 2).join(' ') || '0 seconds';
}
