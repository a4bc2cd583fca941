import { quote } from '../kube/index.ts';
import type { Diagnostic } from '../model/index.ts';
import { compareByAge, isSameIngress, type TlsClaim } from './claims.ts';
import { diagnose } from './report.ts';

export interface TlsMerge {
  readonly winner: TlsClaim;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Decides what happens to TLS connections with one server name of one listener. The oldest Ingress that names it decides;
 * one that has it only by way of its rules comes after all that name it. Whoever wants the same is not in conflict.
 *
 * @param claims those for the listener and the server name, in any order; at least one
 */
export function mergeTls(claims: readonly TlsClaim[]): TlsMerge {
  const winner = claims.reduce((first, claim) => (compareClaims(claim, first) < 0 ? claim : first));
  const losers = claims.filter((claim) => !isImplied(claim) && outcome(claim) !== outcome(winner));
  return { winner, diagnostics: losers.toSorted(compareClaims).map((claim) => conflict(claim, winner)) };
}

function compareClaims(a: TlsClaim, b: TlsClaim): number {
  return Number(isImplied(a)) - Number(isImplied(b)) || compareByAge(a, b);
}

/** The catch-all is never implied: a TLS entry without hosts is all there is to ask for it. */
function isImplied(claim: TlsClaim): boolean {
  return claim.kind === 'terminate' && claim.implied && claim.serverName !== '';
}

function conflict({ source, ...claim }: TlsClaim, winner: TlsClaim): Diagnostic {
  const { namespace, name } = winner.rank;
  const by = isSameIngress(claim, winner) ? 'an earlier entry of this Ingress' : `Ingress ${quote(`${namespace}/${name}`)}`;
  const host = claim.serverName === '' ? 'connections that no TLS host takes' : quote(claim.serverName);
  return diagnose(source.object, source.path, 'TlsConflict', `${by} decides about ${host}: ${outcome(winner)}`);
}

function outcome(claim: TlsClaim): string {
  if (claim.kind === 'terminate') return `certificate ${quote(claim.certificate)}`;
  return claim.cluster === undefined ? 'passthrough to a backend that cannot be used' : `passthrough to ${quote(claim.cluster)}`;
}
