import { isIP } from 'node:net';
import type { Collection } from '../../collection/index.ts';
import { compareText, editDistance, type Route, type VirtualHost } from '../../model/index.ts';
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
  return ranked.sort((a, b) => a.distance - b.distance || compareText(a.name, b.name)).map(({ name }) => name);
}
