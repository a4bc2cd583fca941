import type { LabelSelectorSpec } from '../kube/index.ts';
import type { FieldPath, FieldRef, ObjectRef } from '../model/index.ts';
import type { Resource, ResourceName } from '../xds-server/serve/resource.ts';
import type { SecretKind } from './secret-kind.ts';

/** What a CiliumEnvoyConfig, or one of no namespace, comes to. */
export interface EnvoyConfig {
  readonly object: ObjectRef;
  /** Sorted by type and name. */
  readonly resources: readonly ConfigResource[];
  /** Those of its listeners that Services are led to; nodes add where they listen. */
  readonly listeners: readonly ServiceListener[];
  /** Endpoints of Services that its clusters ask for, sorted by name. */
  readonly endpointSets: readonly ServiceEndpoints[];
  /** Secrets of Kubernetes that its resources name, each once for what it is used for, sorted by name. */
  readonly secrets: readonly KubernetesSecret[];
  /** In the order of the object. */
  readonly services: readonly TakenService[];
  /** Which nodes it is for; absent for all. */
  readonly nodeSelector?: LabelSelectorSpec;
}

/** One of the object's resources, named and encoded as Envoy gets it. */
export interface ConfigResource {
  readonly resource: Resource;
  readonly source: FieldRef;
}

/** A listener without an address. */
export interface ServiceListener {
  /** As other resources of Envoy are called, though nodes call it otherwise. */
  readonly name: string;
  /** An encoded Listener that lacks name, address and what else is a node's. */
  readonly body: Uint8Array;
  /** What Envoy has to have for it. */
  readonly requires: readonly ResourceName[];
  /** Whether it asks clients' requests the rules of their policies before it routes them. */
  readonly asksClients: boolean;
  /** Whether clusters get requests as they were when they were asked. */
  readonly sendsAsAsked: boolean;
  readonly source: FieldRef;
}

/**
 * Endpoints of a Service under the name that a cluster asks for: `namespace/service`, `namespace/service:*`, `namespace/service:port`; those that differ from node
 * to node are called otherwise.
 */
export interface ServiceEndpoints {
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  /** The number of a port or its name; absent for all ports. */
  readonly port?: string;
  /** Whether each node has those that the Service keeps its clients with. */
  readonly forNodes?: true;
  /** Where the object says that it uses the Service. */
  readonly source: FieldRef;
}

/** A Secret of Kubernetes that a resource names as `namespace/name`. */
export interface KubernetesSecret {
  readonly namespace: string;
  readonly name: string;
  readonly kind: SecretKind;
  /** What Envoy knows it by, used for that. */
  readonly resource: string;
  /** Where it is named first for that. */
  readonly source: FieldRef;
}

/** A Service whose traffic one of the listeners takes. */
export interface TakenService {
  readonly namespace: string;
  readonly name: string;
  /** Numbers; none for all of its ports. */
  readonly ports: readonly number[];
  /** One of {@link EnvoyConfig.listeners}, by its name. */
  readonly listener: string;
  readonly path: FieldPath;
}
