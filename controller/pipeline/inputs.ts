import type { Graph, Input } from '../../collection/index.ts';
import type {
  EndpointSlice,
  Ingress,
  IngressClass,
  KubeObject,
  Node,
  ObjectBatch,
  Secret,
  Service,
  SluiceSettings,
} from '../../kube/index.ts';
import { type ObjectRef, objectKey } from '../../model/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { EnvoyConfigVerdict } from './envoy-configs-in-force.ts';
import type { NodeScope } from './node-scope.ts';
import type { QuarantinedHost } from './route-resources.ts';
import type { SettingsVerdict } from './settings-in-force.ts';

/** The objects, by `namespace/name`, or by name where they have no namespace. */
export interface Inputs {
  readonly ingresses: Input<Ingress>;
  readonly ingressClasses: Input<IngressClass>;
  readonly services: Input<Service>;
  readonly endpointSlices: Input<EndpointSlice>;
  readonly secrets: Input<Secret>;
  /** One value, at the key {@link NOW}: the time that certificates are judged by. */
  readonly clock: Input<Date>;
  readonly settingsObjects: Input<SluiceSettings>;
  /** Those of a cluster, while anybody needs to know their labels. */
  readonly nodes: Input<Node>;
  /** One value, at the key {@link NOW}: which nodes serve. */
  readonly nodeScope: Input<NodeScope>;
  /** Nodes that are to serve and that nothing is sent to yet. */
  readonly preparing: Input<true>;
  /** One value, at the key {@link NOW}: the settings in force. */
  readonly settings: Input<Settings>;
  /** What was made of each settings object. */
  readonly verdicts: Input<SettingsVerdict>;
  /** What was made of each CiliumEnvoyConfig, or one of no namespace, by {@link objectKey}. */
  readonly envoyConfigs: Input<EnvoyConfigVerdict>;
  /** By table and host: virtual hosts that clients refuse. */
  readonly quarantine: Input<QuarantinedHost>;
}

export const NOW = 'now';

export function createInputs(graph: Graph): Inputs {
  return {
    ingresses: graph.input('ingresses'),
    ingressClasses: graph.input('ingress classes'),
    services: graph.input('services'),
    endpointSlices: graph.input('endpoint slices'),
    secrets: graph.input('secrets'),
    clock: graph.input('clock'),
    settingsObjects: graph.input('settings objects'),
    nodes: graph.input('nodes of the cluster'),
    nodeScope: graph.input('node scope'),
    preparing: graph.input('nodes that are made ready'),
    settings: graph.input('settings'),
    verdicts: graph.input('verdicts on settings'),
    envoyConfigs: graph.input('envoy configs'),
    quarantine: graph.input('quarantine'),
  };
}

export function inputKey({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** Notes a batch; the graph takes it in when it settles. */
export function takeBatch(inputs: Inputs, batch: Pick<ObjectBatch, 'upserts' | 'removals'>): void {
  for (const removal of batch.removals) remove(inputs, removal);
  for (const object of batch.upserts) upsert(inputs, object);
}

function upsert(inputs: Inputs, object: KubeObject): void {
  const key = inputKey(object.metadata);
  switch (object.kind) {
    case 'Ingress':
      inputs.ingresses.set(key, object);
      break;
    case 'IngressClass':
      inputs.ingressClasses.set(key, object);
      break;
    case 'Service':
      inputs.services.set(key, object);
      break;
    case 'EndpointSlice':
      inputs.endpointSlices.set(key, object);
      break;
    case 'Secret':
      inputs.secrets.set(key, object);
      break;
    case 'SluiceSettings':
      inputs.settingsObjects.set(key, object);
      break;
    case 'Node':
      inputs.nodes.set(key, object);
      break;
  }
}

function remove(inputs: Inputs, ref: ObjectRef): void {
  inputOf(inputs, ref.kind)?.delete(inputKey(ref));
}

/** The object of a reference, where it is one of a kind that is read, and is there. */
export function findInput(inputs: Inputs, ref: ObjectRef): KubeObject | undefined {
  return inputOf(inputs, ref.kind)?.get(inputKey(ref)) ?? inputs.envoyConfigs.get(objectKey(ref))?.object;
}

function inputOf(
  inputs: Inputs,
  kind: string,
):
  | Input<Ingress>
  | Input<IngressClass>
  | Input<Service>
  | Input<EndpointSlice>
  | Input<Secret>
  | Input<SluiceSettings>
  | Input<Node>
  | undefined {
  switch (kind) {
    case 'Ingress':
      return inputs.ingresses;
    case 'IngressClass':
      return inputs.ingressClasses;
    case 'Service':
      return inputs.services;
    case 'EndpointSlice':
      return inputs.endpointSlices;
    case 'Secret':
      return inputs.secrets;
    case 'SluiceSettings':
      return inputs.settingsObjects;
    case 'Node':
      return inputs.nodes;
    default:
      return undefined;
  }
}
