import { isIP } from 'node:net';
import type { Collection } from '../../collection/index.ts';
import type { Route, VirtualHost } from '../../model/index.ts';
import { candidates, isOneLabel } from './server-names.ts';

export interface HostMatch {
  readonly virtualHost: VirtualHost;
  /** Those that a request for this very host is matched against. */
  readonly routes: readonly Route[];
}

/** The virtual host for a name: the exact one, else the longest wildcard, else `*`. */
export function matchVirtualHost(virtualHosts: Collection<VirtualHost>, table: string, host: string): HostMatch | undefined {
  const names = isIP(host.replace(/^\[|\]$/g, '')) === 0 ? candidates(host) : [host];
  for (const name of [...names, '*']) {
    const virtualHost = virtualHosts.get(`${table} ${name}`);
    if (virtualHost) return { virtualHost, routes: isOneLabel(name, host) ? virtualHost.routes : virtualHost.beyondOneLabel };
  }
  return undefined;
}

/** Names in order of how few letters they differ in. */
export function nearestHosts(host: string, known: readonly string[]): string[] {
  const ranked = [...new Set(known)].map((name) => ({ name, distance: editDistance(host, name) }));
  return ranked.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1)).map(({ name }) => name);
}

/** @see https://en.wikipedia.org/wiki/Levenshtein_distance */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
