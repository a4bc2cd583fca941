import { create } from '@bufbuild/protobuf';
import { EndpointSliceSchema, ServiceSchema } from '@sluice/envoy-protos/sluice/node/v1/services_pb.js';
import type { EndpointSlice, KubeObject, Service } from '../../kube/index.ts';
import type { ObjectRef } from '../../model/index.ts';
import {
  ENDPOINT_SLICE_TYPE,
  type Resource,
  type ResourceChange,
  type ResourceName,
  SERVICE_TYPE,
  SLOT_TYPE,
} from '../../xds-server/serve/index.ts';
import { encodeResource } from '../../xds-server/translate/encode.ts';
import type { ServiceTakers, Takers } from '../pipeline/taken-services.ts';

/** As IP numbers them. */
const PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132 } as const;
const SERVICE_NAME = 'kubernetes.io/service-name';
/** On slices of headless Services. */
const HEADLESS = 'service.kubernetes.io/headless';
const OTHER_PROXY = 'service.kubernetes.io/service-proxy-name';
/** The most that the API server takes for the time of an affinity, in seconds: a day. */
const MAX_AFFINITY = 86_400;
const MAX_PORT = 65_535;

export type NamedObject = Pick<ObjectRef, 'namespace' | 'name'>;

/** Gathers what changes of Services, as nodes are to be told of it. */
export class ServiceChanges {
  /** Null for what nodes are not, or no longer, told of. */
  readonly #pending = new Map<string, { readonly name: ResourceName; readonly resource: Resource | null }>();
  readonly #ofControllers: NamedObject | undefined;
  /** By the `namespace/name` of Services, the slots that have ports of theirs. */
  readonly #takers = new Map<string, Takers>();

  /**
   * @param ofControllers the Service by which nodes reach who tells them of Services. Nodes that translated it could not, once all whom it had led to
   * were gone: nobody could tell them of others
   */
  constructor(ofControllers?: NamedObject) {
    this.#ofControllers = ofControllers;
  }

  /** Objects of other kinds are let pass. */
  put(object: KubeObject): void {
    if (this.#isOfControllers(object)) return;
    if (object.kind === 'Service')
      this.#set(SERVICE_TYPE, object.metadata, translateService(object, this.#takers.get(nameOf(object.metadata))));
    if (object.kind === 'EndpointSlice') this.#set(ENDPOINT_SLICE_TYPE, object.metadata, translateSlice(object));
  }

  /** Says which slots have which ports of a Service from now on. */
  setTakers({ name, service, takers }: ServiceTakers): void {
    if (takers.length === 0) this.#takers.delete(name);
    else this.#takers.set(name, takers);
    if (service) this.put(service);
  }

  delete(ref: ObjectRef): void {
    if (ref.kind === 'Service') this.#set(SERVICE_TYPE, ref);
    if (ref.kind === 'EndpointSlice') this.#set(ENDPOINT_SLICE_TYPE, ref);
  }

  /** All since this was asked last. */
  take(): ResourceChange {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    return {
      upserts: all.flatMap(({ resource }) => resource ?? []),
      removals: all.flatMap(({ name, resource }) => (resource ? [] : [name])),
    };
  }

  #isOfControllers({ kind, metadata: { namespace, name, labels } }: KubeObject): boolean {
    const service = kind === 'EndpointSlice' ? labels[SERVICE_NAME] : name;
    return service === this.#ofControllers?.name && namespace === this.#ofControllers?.namespace;
  }

  #set(typeUrl: string, object: NamedObject, resource: Resource | null = null): void {
    const name = nameOf(object);
    this.#pending.set(`${typeUrl} ${name}`, { name: { typeUrl, name }, resource });
  }
}

/**
 * What nodes are told of a Service; undefined for one that they have nothing to translate of. Named `namespace/name`.
 * @param takers slots that have ports of it
 */
export function translateService(service: Service, takers: Takers = []): Resource | undefined {
  const { metadata, spec, status } = service;
  const slots = new Map(takers);
  const clusterIps = clusterIpsOf(spec);
  const isTranslated = spec.type !== 'ExternalName' && clusterIps.some((address) => address !== '' && address !== 'None');
  if (!isTranslated || Object.hasOwn(metadata.labels, OTHER_PROXY)) return undefined;
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  const message = create(ServiceSchema, {
    creationTimestamp: metadata.creationTimestamp ?? '',
    clusterIps: [...clusterIps],
    externalIps: [...spec.externalIPs],
    loadBalancer: (status?.loadBalancer?.ingress ?? []).map(({ ip, ipMode }) => ({ ip: ip ?? '', isProxy: ipMode === 'Proxy' })),
    ports: spec.ports.map(({ name, protocol, port, nodePort }) => ({
      name: name ?? '',
      protocol: PROTOCOLS[protocol],
      port,
      nodePort: nodePort !== undefined && nodePort > 0 && nodePort <= MAX_PORT ? nodePort : 0,
      listener: protocol === 'TCP' ? (slots.get(port) ?? '') : '',
    })),
    onNodes: spec.type === 'NodePort' || spec.type === 'LoadBalancer',
    clientAffinity: spec.sessionAffinity === 'ClientIP',
    ...(timeout !== undefined && { affinityTimeout: Math.min(Math.max(timeout, 0), MAX_AFFINITY) }),
    localTrafficOnly: spec.internalTrafficPolicy === 'Local',
    loadBalancerSourceRanges: [...spec.loadBalancerSourceRanges],
    outsideToAllNodes: spec.externalTrafficPolicy !== 'Local',
  });
  return encodeResource(
    ServiceSchema,
    nameOf(metadata),
    message,
    [...new Set(slots.values())].sort().map((slot) => ({ typeUrl: SLOT_TYPE, name: slot })),
  );
}

/** What nodes are told of endpoints; undefined for a slice that leads to nothing that they translate. Named `namespace/name`. */
export function translateSlice({ metadata, addressType, ports, endpoints }: EndpointSlice): Resource | undefined {
  const service = metadata.labels[SERVICE_NAME];
  if (!service || addressType === 'FQDN' || Object.hasOwn(metadata.labels, HEADLESS)) return undefined;
  const message = create(EndpointSliceSchema, {
    service,
    isIpv6: addressType === 'IPv6',
    ports: ports.map(({ name, protocol, port }) => ({ name: name ?? '', protocol: PROTOCOLS[protocol], port: port ?? 0 })),
    endpoints: endpoints.map(({ addresses, conditions, nodeName, hints }) => ({
      // Of one endpoint they are interchangeable.
      address: addresses[0] ?? '',
      ready: conditions.ready ?? true,
      serving: conditions.serving ?? true,
      terminating: conditions.terminating ?? false,
      node: nodeName ?? '',
      zoneHints: [...(hints?.forZones ?? [])],
      nodeHints: [...(hints?.forNodes ?? [])],
    })),
  });
  return encodeResource(EndpointSliceSchema, nameOf(metadata), message);
}

function clusterIpsOf({ clusterIP, clusterIPs }: Service['spec']): readonly string[] {
  return clusterIPs.length > 0 || clusterIP === undefined ? clusterIPs : [clusterIP];
}

function nameOf({ namespace, name }: NamedObject): string {
  return `${namespace}/${name}`;
}
