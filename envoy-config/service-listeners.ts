import { hash } from 'node:crypto';
import { isMessage, toBinary } from '@bufbuild/protobuf';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import type { CiliumEnvoyConfigSpec } from '../kube/index.ts';
import type { Tracing } from '../model/index.ts';
import { withRequestLogs } from '../xds-server/translate/request-logs.ts';
import type { ClientHandling } from './annotations.ts';
import type { AsAsked } from './as-asked.ts';
import type { EnvoyConfig, ServiceListener, TakenService } from './envoy-config.ts';
import { completeServiceListener } from './fill-in.ts';
import type { NamedResource } from './name-resources.ts';
import type { Report } from './report.ts';
import { DEFAULT_NAMESPACE } from './service-endpoints.ts';
import { traced } from './traced.ts';

/** What nodes call the slot of a listener. Kernels have room for 63 bytes, which names of objects are longer than. */
export function slotOfListener(name: string): string {
  // 132 bits: enough for names never to meet by chance.
  return `service/${hash('sha256', name, 'base64url').slice(0, 22)}`;
}

export function isUnaddressed({ address, listenerSpecifier }: Listener): boolean {
  return address === undefined && listenerSpecifier.case !== 'internalListener';
}

export interface ServicesOfConfig {
  readonly resources: readonly NamedResource[];
  /** Whether these are all resources of the config. */
  readonly isWhole: boolean;
  readonly services: CiliumEnvoyConfigSpec['services'];
  /** What a listener is that sends on just what its last filter gets; undefined where it does not. See {@link AsAsked}. */
  readonly asIsAsked: AsAsked['listener'];
  /** Absent: nothing is told of requests. */
  readonly tracing: Tracing | undefined;
  readonly marks: ClientHandling & {
    /** Of what is opened for clients; undefined: no Services are led to listeners. */
    readonly clientMark?: number;
    readonly logsRequests?: boolean;
  };
}

type Led = Pick<EnvoyConfig, 'listeners' | 'services'>;

/** The listeners without an address that Services are led to, and which Services those are. What cannot be reached is told of. */
export function serviceListeners(config: ServicesOfConfig, report: Report): Led {
  const all = config.resources.filter(({ read }) => read.kind === 'listener');
  const named = takenServices(config, all, report);
  const unaddressed = all.filter(({ read: { message } }) => isMessage(message.message, ListenerSchema) && isUnaddressed(message.message));
  if (config.marks.clientMark === undefined) {
    const why =
      'has no address, and Services are led to listeners only where policies are enforced and Services translated; it is left out';
    for (const { read } of unaddressed) report.add(read.pathOf(undefined), 'ListenerWithoutAddress', why);
    return { listeners: [], services: [] };
  }
  const isNamed = new Set(named.map(({ listener }) => listener));
  for (const { read, name } of unaddressed) {
    if (isNamed.has(name)) continue;
    report.add(
      read.pathOf(undefined),
      'ListenerWithoutAddress',
      'has no address, and services names nothing that is led to it; it is left out',
    );
  }
  const listeners = unaddressed.filter(({ name }) => isNamed.has(name)).flatMap((each) => encodeListener(each, config, report));
  const isThere = new Set(listeners.map(({ name }) => name));
  for (const { path, listener } of named) {
    if (isThere.has(listener)) continue;
    report.add(path, 'ServiceNotLed', 'names a listener that has an address or is internal; Services are led to others');
  }
  return { listeners, services: named.filter(({ listener }) => isThere.has(listener)) };
}

function encodeListener(
  { read, name, requires }: NamedResource,
  { marks: { clientMark, keepsSource, asksClients, logsRequests }, asIsAsked, tracing }: ServicesOfConfig,
  report: Report,
): ServiceListener[] {
  const { message } = read.message;
  if (!isMessage(message, ListenerSchema)) return [];
  const renamed = asIsAsked(message, requires);
  const own = traced(renamed?.listener ?? message, renamed?.requires ?? requires, tracing);
  const completed = completeServiceListener(own.listener, keepsSource ? clientMark : undefined);
  const source = { object: report.object, path: read.pathOf(undefined) };
  const body = toBinary(ListenerSchema, logsRequests ? withRequestLogs(completed) : completed);
  return [{ name, body, requires: own.requires, asksClients, sendsAsAsked: renamed !== undefined, source }];
}

/** Where no listener is named, the first is meant. */
function takenServices(
  { services, isWhole }: ServicesOfConfig,
  listeners: readonly NamedResource[],
  report: Report,
): readonly TakenService[] {
  return services.flatMap(({ name, namespace, ports, listener }, index) => {
    const path = ['spec', 'services', index];
    const found = listener === undefined ? listeners[0] : listeners.find(({ read }) => read.name === listener);
    const taken = { namespace: namespace ?? (report.object.namespace || DEFAULT_NAMESPACE), name, ports, path };
    if (found) return [{ ...taken, listener: found.name }];
    if (!isWhole) return [];
    if (listener === undefined) report.add(path, 'ReferenceNotFound', 'needs a listener, and the object has none');
    else
      report.add(
        [...path, 'listener'],
        'ReferenceNotFound',
        `names the listener ${JSON.stringify(listener)}, which the object does not have`,
      );
    return [];
  });
}
