import { CONTROLLER_ID, NODES_SERVER_NAME, nodeId, nodeServerName, observerId } from './spiffe.ts';

const MINUTE_MS = 60_000;
export const DAY_MS = 24 * 60 * MINUTE_MS;
/** How far the clocks of two machines may be apart; with what it takes to use a certificate. */
const SKEW_MS = 65 * MINUTE_MS;

/** What a certificate is for. Whoever issues it says so; what its holder asked for plays no part. */
export interface Profile {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly usage: 'client' | 'server' | 'both';
  /** In milliseconds, from when it is issued. */
  readonly lifetimeMs: number;
  /** How long before it is issued it became valid. Default 65 min, for machines whose clocks are behind; at most half its life. */
  readonly backdateMs?: number;
}

export const DEFAULT_LIFETIME_MS = DAY_MS;

/** A node, as a client of controllers. */
export function nodeProfile(name: string, lifetimeMs = DEFAULT_LIFETIME_MS): Profile {
  return { commonName: '', dnsNames: [], uris: [nodeId(name)], usage: 'client', lifetimeMs };
}

/** The same, and as a server of whoever asks for its flows or its metrics. */
export function servingNodeProfile(name: string, lifetimeMs = DEFAULT_LIFETIME_MS): Profile {
  return { ...nodeProfile(name, lifetimeMs), dnsNames: [nodeServerName(name), NODES_SERVER_NAME], usage: 'both' };
}

/** Somebody who may ask for flows and metrics. */
export function observerProfile(name: string, lifetimeMs = DEFAULT_LIFETIME_MS): Profile {
  return { commonName: '', dnsNames: [], uris: [observerId(name)], usage: 'client', lifetimeMs };
}

/** A controller, as the server of nodes. */
export function controllerProfile(lifetimeMs = DEFAULT_LIFETIME_MS): Profile {
  const dnsNames = ['sluice-controller.sluice-system.svc', 'sluice-controller'];
  return { commonName: '', dnsNames, uris: [CONTROLLER_ID], usage: 'server', lifetimeMs };
}

export function backdateOf({ backdateMs = SKEW_MS, lifetimeMs }: Pick<Profile, 'backdateMs' | 'lifetimeMs'>): number {
  return Math.min(backdateMs, lifetimeMs / 2);
}
