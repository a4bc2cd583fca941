import {
  type CertificateState,
  type IngressClaims,
  ingestIngress,
  type ListenPorts,
  type Site,
  STANDALONE,
} from '../ingress-controller/index.ts';
import type { Ingress, Service } from '../kube/index.ts';
import { Redacted } from '../model/index.ts';
import { DEFAULT_SETTINGS, type Settings } from '../settings/index.ts';

export const PORTS: ListenPorts = { address: '0.0.0.0', http: 8080, https: 8443, reserved: [9870] };

/** What an Ingress in a test can refer to, by `namespace/name`. */
export interface World {
  readonly services?: readonly Service[];
  readonly certificates?: Readonly<Record<string, CertificateState>>;
  readonly settings?: Settings;
  /** Where the Ingress is served; by this process itself unless it says otherwise. */
  readonly site?: Site;
}

/** Ingests an Ingress and keeps what it asked for, in order. */
export function ingestInWorld(ingress: Ingress, world: World = {}): IngressClaims & { readonly asked: readonly string[] } {
  const asked: string[] = [];
  const services = new Map((world.services ?? []).map((service) => [`${service.metadata.namespace}/${service.metadata.name}`, service]));
  const deps = {
    service(ref: { namespace: string; name: string }) {
      asked.push(`Service ${ref.namespace}/${ref.name}`);
      return services.get(`${ref.namespace}/${ref.name}`);
    },
    certificate(ref: { namespace: string; name: string }) {
      asked.push(`Secret ${ref.namespace}/${ref.name}`);
      return world.certificates?.[`${ref.namespace}/${ref.name}`];
    },
  };
  return {
    ...ingestIngress(ingress, deps, world.settings ?? DEFAULT_SETTINGS, world.site ?? { ports: PORTS, placement: STANDALONE }),
    asked,
  };
}

/** A certificate for these hosts without anything real in it. */
export function usableCertificate(name: string, hosts: readonly string[]): CertificateState {
  const certificate = { name, chain: '', privateKey: new Redacted(''), sources: [] };
  return { state: 'usable', certificate, notBefore: 0, notAfter: Number.MAX_SAFE_INTEGER, hosts, diagnostics: [] };
}

export const UNUSABLE_CERTIFICATE: CertificateState = { state: 'unusable', diagnostics: [] };
