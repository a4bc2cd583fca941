import type { CiliumEnvoyConfigSpec, ServicePort } from '../kube/index.ts';
import type { ObjectRef } from '../model/index.ts';
import type { ServiceEndpoints } from './envoy-config.ts';

/** A Service that a config may use the endpoints of. */
export interface Backend {
  readonly namespace: string;
  readonly service: string;
  /** Numbers and names of ports; none for all. */
  readonly ports: readonly string[];
  readonly path: readonly (string | number)[];
}

/** Where a config of no namespace names none. */
export const DEFAULT_NAMESPACE = 'default';

const ALL_PORTS = '*';

/**
 * The Services that a config names: those whose traffic it takes, and those of `backendServices`.
 * @param namespace where the config names none
 */
export function backendsOf({ services, backendServices }: CiliumEnvoyConfigSpec, namespace: string): readonly Backend[] {
  return [
    ...services.map((service, index) => ({
      namespace: service.namespace ?? namespace,
      service: service.name,
      ports: [],
      path: ['spec', 'services', index],
    })),
    ...backendServices.map(({ name, number, ...rest }, index) => ({
      namespace: rest.namespace ?? namespace,
      service: name,
      ports: number,
      path: ['spec', 'backendServices', index],
    })),
  ];
}

/** The endpoints that a name stands for, where one of the Services has them; ports that a config does not name are not its to use. */
export function serviceEndpoints(name: string, backends: readonly Backend[], object: ObjectRef): ServiceEndpoints | undefined {
  for (const { namespace, service, ports, path } of backends) {
    const own = `${namespace}/${service}`;
    const port = name === own ? ALL_PORTS : name.startsWith(`${own}:`) ? name.slice(own.length + 1) : undefined;
    if (port === undefined || port === '' || (ports.length > 0 && !ports.includes(port))) continue;
    return { name, namespace, service, ...(port !== ALL_PORTS && { port }), source: { object, path } };
  }
  return undefined;
}

/** The numbers of the ports of a Service that are meant; none where it has no such port. Ports of UDP and SCTP are not looked at. */
export function portsOf(ports: readonly ServicePort[], wanted: string | undefined): readonly number[] {
  const tcp = ports.filter(({ protocol }) => protocol === 'TCP');
  const meant = wanted === undefined ? tcp : tcp.filter(({ name, port }) => String(port) === wanted || name === wanted);
  return meant.map(({ port }) => port);
}
