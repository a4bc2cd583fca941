import { type Ingress, type IngressTls, quote } from '../kube/index.ts';
import type { FieldPath } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import type { CertificateState } from './certificate.ts';
import type { Rank, TerminateClaim } from './claims.ts';
import { covers, hostProblem } from './host.ts';
import type { Report } from './report.ts';
import type { Entrance } from './tables.ts';

export interface SecretRef {
  readonly namespace: string;
  readonly name: string;
}

/** One TLS host of an Ingress; an empty name stands for all of its hosts. */
export interface TlsHost {
  readonly name: string;
  readonly usable: boolean;
  readonly path: FieldPath;
}

export interface TlsResult {
  readonly claims: readonly TerminateClaim[];
  readonly hosts: readonly TlsHost[];
}

export interface TlsContext {
  readonly certificate: (ref: SecretRef) => CertificateState | undefined;
  readonly settings: Settings['ingress'];
  readonly entrance: Entrance;
  readonly rank: Rank;
  readonly report: Report;
}

/**
 * Reads `spec.tls`. An entry without hosts serves every connection that nobody else takes, and the hosts of the rules. A
 * host that no rule uses is served all the same. An entry without a usable certificate takes nothing from its neighbours. Where the
 * Ingress has an address of its own, clients that name no host are shown its first certificate.
 * @see https://kubernetes.io/docs/concepts/services-networking/ingress/#tls
 */
export function ingestTls(ingress: Ingress, context: TlsContext): TlsResult {
  const claims: TerminateClaim[] = [];
  const hosts: TlsHost[] = [];
  for (const [index, entry] of ingress.spec.tls.entries()) {
    const path = ['spec', 'tls', index];
    const certificate = usableCertificate(entry, ingress.metadata.namespace, path, context);
    const named = namedHosts(entry, path, context.report);
    const usable = certificate !== undefined;
    for (const name of named) hosts.push({ ...name, usable });
    if (entry.hosts.length === 0) hosts.push({ name: '', usable, path });
    if (certificate === undefined) continue;
    const wanted = entry.hosts.length === 0 ? impliedNames(ingress, path) : named;
    for (const { name, path: source } of wanted) {
      if (name !== '') checkCoverage(name, source, certificate, context.report);
      claims.push({
        kind: 'terminate',
        listener: context.entrance.tlsListener,
        serverName: name,
        certificate: certificate.certificate.name,
        routeTable: context.entrance.secureTable,
        implied: entry.hosts.length === 0,
        rank: context.rank,
        position: claims.length,
        source: { object: context.report.object, path: source },
      });
    }
  }
  return { claims: [...claims, ...claimUnnamed(claims, context.entrance)], hosts };
}

/** Old clients, and those that were given an address, tell no server name. */
function claimUnnamed(claims: readonly TerminateClaim[], { isOwn }: Entrance): readonly TerminateClaim[] {
  const [first] = claims;
  if (!isOwn || first === undefined || claims.some(({ serverName }) => serverName === '')) return [];
  return [{ ...first, serverName: '', unnamedOnly: true, position: claims.length }];
}

/** Whether the TLS entries of an Ingress cover a host of it (`*`: every host), and if so, with a certificate that works. */
export function findCover(hosts: readonly TlsHost[], host: string): TlsHost | undefined {
  const covering = hosts.filter(({ name }) => name === '' || covers(name, host));
  return covering.find(({ usable }) => usable) ?? covering[0];
}

type UsableCertificate = Extract<CertificateState, { readonly state: 'usable' }>;

function usableCertificate(entry: IngressTls, namespace: string, path: FieldPath, context: TlsContext): UsableCertificate | undefined {
  const { settings, report } = context;
  const named = entry.secretName !== undefined && entry.secretName !== '' ? `${namespace}/${entry.secretName}` : settings.defaultSecret;
  if (named === undefined) {
    report.add(path, 'SecretNotNamed', 'names no Secret, and the settings have no ingress.defaultSecret');
    return undefined;
  }
  const [secretNamespace = '', name = ''] = named.split('/');
  const state = context.certificate({ namespace: secretNamespace, name });
  const field = [...path, 'secretName'];
  if (state === undefined) report.add(field, 'SecretNotFound', `there is no Secret ${quote(named)}; its hosts are left without TLS`);
  else if (state.state === 'usable') return state;
  else report.add(field, 'CertificateUnusable', `Secret ${quote(named)} has no usable certificate; its hosts are left without TLS`);
  return undefined;
}

interface NamedHost {
  readonly name: string;
  readonly path: FieldPath;
}

function namedHosts(entry: IngressTls, path: FieldPath, report: Report): readonly NamedHost[] {
  const names: NamedHost[] = [];
  for (const [index, name] of entry.hosts.entries()) {
    const field = [...path, 'hosts', index];
    const problem = hostProblem(name);
    if (problem === undefined) names.push({ name, path: field });
    else report.add(field, 'InvalidHost', `${quote(name)} ${problem}; it is left without TLS`);
  }
  return names;
}

function impliedNames(ingress: Ingress, path: FieldPath): readonly NamedHost[] {
  const names = new Set(['']);
  for (const { host } of ingress.spec.rules) {
    if (host !== undefined && hostProblem(host) === undefined) names.add(host);
  }
  return Array.from(names, (name) => ({ name, path }));
}

function checkCoverage(host: string, path: FieldPath, { certificate, hosts }: UsableCertificate, report: Report): void {
  if (hosts.some((name) => covers(name, host))) return;
  const names = hosts.length === 0 ? 'no host' : hosts.slice(0, 5).map(quote).join(', ');
  report.add(path, 'CertificateHostMismatch', `the certificate ${quote(certificate.name)} is for ${names}, not for ${quote(host)}`);
}
