import { isIP } from 'node:net';
import type { TlsChain } from '../../model/index.ts';

/** The server name that a client sends for a URL: none for an address. */
export function serverNameOf(url: URL): string {
  const host = url.hostname.toLowerCase().replace(/\.$/, '');
  return isIP(host.replace(/^\[|\]$/g, '')) === 0 ? host : '';
}

/**
 * The chain that Envoy takes: the exact name, else the longest wildcard, else the chain for all. Envoy's wildcard takes any
 * number of labels; a passthrough chain then refuses all but one.
 */
export function matchTlsChain(chains: readonly TlsChain[], serverName: string): TlsChain | undefined {
  for (const name of candidates(serverName)) {
    const chain = chains.find((candidate) => namesOf(candidate).includes(name));
    if (chain) return chain.kind === 'passthrough' && !isOneLabel(name, serverName) ? undefined : chain;
  }
  return chains.find((chain) => namesOf(chain).length === 0);
}

function namesOf(chain: TlsChain): readonly string[] {
  return chain.kind === 'terminate' ? chain.serverNames : [chain.serverName];
}

/** The name itself, then the wildcards that take it, longest first. */
export function candidates(host: string): string[] {
  if (host === '') return [];
  const labels = host.split('.');
  return [host, ...labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`)];
}

/** Whether a name from {@link candidates} leaves one label at most to its wildcard. */
export function isOneLabel(pattern: string, host: string): boolean {
  return !pattern.startsWith('*.') || pattern.split('.').length === host.split('.').length;
}
