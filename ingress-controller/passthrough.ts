import { type Ingress, quote } from '../kube/index.ts';
import type { FieldPath } from '../model/index.ts';
import { type BackendContext, resolveBackend } from './backend.ts';
import { type ClusterKey, clusterName, type PassthroughClaim, type Rank } from './claims.ts';
import { hostProblem } from './host.ts';
import type { Entrance } from './tables.ts';

export interface PassthroughResult {
  readonly claims: readonly PassthroughClaim[];
  readonly clusters: readonly ClusterKey[];
}

/**
 * Reads the rules of an Ingress whose TLS connections go to their backend as they are. Only the server name can be told
 * from outside, so a rule needs a host and the path `/`; each rule that is otherwise is left out alone.
 */
export function ingestPassthrough(ingress: Ingress, entrance: Entrance, rank: Rank, context: BackendContext): PassthroughResult {
  const { report } = context;
  const claims: PassthroughClaim[] = [];
  const clusters: ClusterKey[] = [];
  const { defaultBackend, rules, tls } = ingress.spec;
  if (defaultBackend !== undefined) refuse(['spec', 'defaultBackend'], 'a default backend is not served');
  if (tls.length > 0) refuse(['spec', 'tls'], 'TLS ends at the backend, so these certificates are not used');
  for (const [ruleIndex, { host, http }] of rules.entries()) {
    const rulePath = ['spec', 'rules', ruleIndex];
    const problem = host === undefined || host === '' ? 'a host is needed' : hostProblem(host);
    if (host === undefined || problem !== undefined) {
      refuse([...rulePath, 'host'], problem ?? '');
      continue;
    }
    if (http === undefined) refuse(rulePath, `the path "/" is needed for ${quote(host)}`);
    for (const [pathIndex, { path, backend }] of (http?.paths ?? []).entries()) {
      const field = [...rulePath, 'http', 'paths', pathIndex];
      if ((path ?? '') !== '' && path !== '/') {
        refuse([...field, 'path'], `the path must be "/", not ${quote(path ?? '')}`);
        continue;
      }
      const resolved = resolveBackend(backend, [...field, 'backend'], context);
      if (resolved !== undefined) clusters.push(resolved.cluster);
      claims.push({
        kind: 'passthrough',
        listener: entrance.tlsListener,
        serverName: host,
        cluster: resolved && clusterName(resolved.cluster),
        rank,
        position: claims.length,
        source: { object: report.object, path: field },
      });
    }
  }
  return { claims, clusters };

  function refuse(path: FieldPath, message: string): void {
    report.add(path, 'InvalidPassthrough', `with tls-passthrough: ${message}`);
  }
}
