import {
  compareText,
  type FieldRef,
  type Listener,
  objectKey,
  type PassthroughChain,
  type TerminateChain,
  type TlsChain,
} from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import type { ListenerClaim, PassthroughClaim, TerminateClaim, TlsClaim } from './claims.ts';

/**
 * Makes a listener of the claims on it and of the TLS claim that won each server name. Server names with the same Secret
 * share a chain; connections that no server name takes have one of their own, so that it replaces none of the others. The
 * listener may come out with nothing to serve.
 *
 * @param claims all for the same listener, in any order; at least one
 * @param winners one for each server name, in any order
 */
export function assembleListener(
  claims: readonly ListenerClaim[],
  winners: readonly TlsClaim[],
  settings: Pick<Settings, 'http'>,
): Listener {
  const { name, address, port, plaintextTable } = claims.reduce((first) => first);
  const terminate = winners.filter((winner) => winner.kind === 'terminate');
  const passthrough = winners.filter((winner) => winner.kind === 'passthrough');
  const tlsChains: readonly TlsChain[] = [
    ...Map.groupBy(terminate, chainName).entries().map(terminateChain),
    ...passthrough.map(passthroughChain),
  ];
  return {
    name,
    address,
    port,
    ...(plaintextTable !== undefined && { plaintextTable }),
    tlsChains: tlsChains.toSorted((a, b) => compareText(a.name, b.name)),
    http: {
      proxyProtocol: settings.http.proxyProtocol,
      useRemoteAddress: settings.http.useRemoteAddress,
      xffTrustedHops: settings.http.xffTrustedHops,
      streamIdleTimeoutMs: settings.http.streamIdleTimeout,
      pathNormalization: settings.http.pathNormalization,
      headersWithUnderscores: settings.http.headersWithUnderscores,
      accessLog: settings.http.accessLog,
    },
    sources: sortSources(claims.flatMap(({ sources }) => sources)),
  };
}

function chainName({ certificate, serverName, unnamedOnly }: TerminateClaim): string {
  if (unnamedOnly) return `terminate/${certificate}/unnamed`;
  return serverName === '' ? `terminate/${certificate}/any` : `terminate/${certificate}`;
}

function terminateChain([name, members]: readonly [string, readonly TerminateClaim[]]): TerminateChain {
  const { certificate, routeTable, unnamedOnly } = members.reduce((first) => first);
  const serverNames = members.map(({ serverName }) => serverName).filter((serverName) => serverName !== '');
  return {
    kind: 'terminate',
    name,
    serverNames: serverNames.toSorted(compareText),
    certificate,
    routeTable,
    ...(unnamedOnly && { unnamedOnly }),
    sources: sortSources(members.map(({ source }) => source)),
  };
}

function passthroughChain({ serverName, cluster, source }: PassthroughClaim): PassthroughChain {
  return { kind: 'passthrough', name: `passthrough/${serverName}`, serverName, cluster, sources: [source] };
}

function sortSources(sources: readonly FieldRef[]): readonly FieldRef[] {
  return sources.toSorted((a, b) => compareText(sourceKey(a), sourceKey(b)));
}

function sourceKey({ object, path }: FieldRef): string {
  return `${objectKey(object)} ${path.map((part) => String(part).padStart(6, '0')).join('.')}`;
}
