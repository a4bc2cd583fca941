import { refOf, type Service, type ServicePort } from '../kube/index.ts';
import type { Diagnostic, FieldPath, ServiceFrontend } from '../model/index.ts';
import { diagnose } from './codes.ts';
import { type Family, familyOf, usableAddress } from './usable-address.ts';

/** The addresses of one port of a Service in one family, by whose they are. One that is several of these is the first of them. */
export interface Frontends {
  readonly cluster: readonly ServiceFrontend[];
  readonly loadBalancer: readonly ServiceFrontend[];
  readonly external: readonly ServiceFrontend[];
  readonly node: readonly ServiceFrontend[];
}

/** The families that a Service is served in: those of its ClusterIPs, as kube-proxy has it. None where it has none, as a headless one. */
export function familiesOf({ spec }: Service): readonly Family[] {
  if (spec.type === 'ExternalName') return [];
  const families = new Set(clusterIps(spec).map(familyOf));
  return (['IPv4', 'IPv6'] as const).filter((family) => families.has(family));
}

export function readFrontends(service: Service, port: ServicePort, family: Family, diagnostics: Diagnostic[]): Frontends {
  const { spec, status } = service;
  const seen = new Set<string>();
  const read = (texts: readonly (readonly [text: string | undefined, path: FieldPath])[]) => {
    const addresses = texts.flatMap(([text, path]) => {
      if (text === undefined) return [];
      const textFamily = familyOf(text);
      const address = textFamily && usableAddress(text, textFamily);
      // Said once, not for each family.
      if (address === undefined && family === familiesOf(service)[0]) {
        diagnostics.push(diagnose(refOf(service), path, 'InvalidServiceAddress', `"${text}" is no address that clients can connect to`));
      }
      return address !== undefined && textFamily === family ? [address] : [];
    });
    const fresh = [...new Set(addresses)].filter((address) => !seen.has(address));
    for (const address of fresh) seen.add(address);
    return fresh.map((address) => ({ address, port: port.port, protocol: port.protocol }));
  };
  const points = status?.loadBalancer?.ingress ?? [];
  const isOnNodes = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  return {
    cluster: read(clusterIps(spec).map((text, index) => [text, ['spec', 'clusterIPs', index]])),
    // Those of mode Proxy are to be reached as anybody outside reaches them.
    loadBalancer: read(
      points.map(({ ip, ipMode }, index) => [ipMode === 'Proxy' ? undefined : ip, ['status', 'loadBalancer', 'ingress', index, 'ip']]),
    ),
    external: read(spec.externalIPs.map((text, index) => [text, ['spec', 'externalIPs', index]])),
    node: isOnNodes && port.nodePort !== undefined ? [nodeFrontend(port.nodePort, port.protocol, family)] : [],
  };
}

function nodeFrontend(port: number, protocol: ServicePort['protocol'], family: Family): ServiceFrontend {
  return { address: family === 'IPv4' ? '0.0.0.0' : '::', port, protocol };
}

function clusterIps({ clusterIP, clusterIPs }: Service['spec']): readonly string[] {
  const all = clusterIPs.length > 0 || clusterIP === undefined ? clusterIPs : [clusterIP];
  return all.filter((text) => text !== 'None' && text !== '');
}
