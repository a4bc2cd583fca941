import type { Status } from '../../controller/admin/status.ts';
import { formatCounts, plural } from './diagnostics.ts';

const LABEL_WIDTH = 11;

/** @param now milliseconds since 1970 */
export function formatStatus(status: Status, now: number): string {
  const { entry, envoy } = status;
  const lines: [string, string][] = [
    [
      'sluice',
      `${status.version}, pid ${status.pid}, up ${formatAge(status.since, now)}, ${status.ready ? 'ready' : `not ready: ${status.notReady ?? 'starting'}`}`,
    ],
    ['envoy', describeEnvoy(envoy, now)],
    ['manifests', status.manifests],
    ['entry', `http ${entry.address}:${entry.httpPort}, https ${entry.address}:${entry.httpsPort}`],
    ['objects', formatSizes(status.objects)],
    ['resources', formatSizes(status.resources)],
    [
      'clients',
      status.clients.length === 0
        ? 'none'
        : status.clients.map(({ node, synced }) => `${node} (${synced ? 'in sync' : 'behind'})`).join(', '),
    ],
    ['findings', formatCounts(status.findings)],
    ...status.rejected.map(({ type, name, message, sources }): [string, string] => [
      'rejected',
      `${type} ${name}: ${message}${sources.length > 0 ? `; from ${sources.join(', ')}` : ''}`,
    ]),
  ];
  return `${lines.map(([label, text]) => label.padEnd(LABEL_WIDTH) + text).join('\n')}\n`;
}

function describeEnvoy({ pid, version, adopted, since }: Status['envoy'], now: number): string {
  if (pid === undefined) return `${version}, not running`;
  return `${version}, pid ${pid}${since === undefined ? '' : `, up ${formatAge(since, now)}`}${adopted ? ', adopted' : ''}`;
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
