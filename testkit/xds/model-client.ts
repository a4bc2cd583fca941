import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { NodeSchema } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  ROUTES_TYPE,
  SCOPED_ROUTES_TYPE,
  SECRET_TYPE,
} from '../../xds-server/serve/index.ts';
import { type ModelBody, readModelBody } from './model-resources.ts';

const COLLECTIONS = [CLUSTER_TYPE, LISTENER_TYPE, SCOPED_ROUTES_TYPE];
const BY_NAME = [ENDPOINTS_TYPE, SECRET_TYPE, ROUTES_TYPE];
export const MODEL_TYPES = [...COLLECTIONS, ...BY_NAME, EXTENSION_CONFIG_TYPE];

export interface ModelResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly ModelBody[];
  readonly removed: readonly string[];
}

interface ModelType {
  readonly names: Set<string>;
  readonly resources: Map<string, ModelBody>;
  /** State of the world: the version that it accepted last. */
  version: string;
  /** The last nonce seen on this stream; undefined before the type was asked for on it. */
  nonce: string | undefined;
}

export interface ModelClientOptions {
  readonly nodeId: string;
  readonly variant: 'delta' | 'sotw';
  /** Versions that it refuses. */
  readonly refuses: (body: ModelBody) => boolean;
  /** Whether it applies the good part of a response that it refuses, as Envoy does for some types. Delta only. */
  readonly appliesGoodPart?: boolean;
}

/**
 * A client that follows the protocol to the letter and depends on its resources as Envoy does: it asks for the endpoints of
 * its clusters and the routes of its scopes, and a changed cluster is warming until its endpoints arrive once more.
 */
export class ModelClient {
  readonly options: ModelClientOptions;
  /** Clusters that wait for their endpoints. */
  readonly warming = new Set<string>();
  /** Those of them that it cannot use until then, because it never had them before. */
  readonly cold = new Set<string>();
  /** How many streams it opened. */
  streams = 0;
  /** How many resources it was sent. */
  received = 0;
  readonly #types = new Map<string, ModelType>();
  #send: (request: Uint8Array) => void = () => {};

  constructor(options: ModelClientOptions) {
    this.options = options;
    this.restart();
  }

  resources(typeUrl: string): ReadonlyMap<string, ModelBody> {
    return this.#type(typeUrl).resources;
  }

  names(typeUrl: string): ReadonlySet<string> {
    return this.#type(typeUrl).names;
  }

  /** Forgets everything, as a new process. */
  restart(): void {
    this.warming.clear();
    this.cold.clear();
    for (const typeUrl of MODEL_TYPES) {
      this.#types.set(typeUrl, { names: new Set(), resources: new Map(), version: '', nonce: undefined });
    }
  }

  /** Starts a stream with what it has. */
  connect(send: (request: Uint8Array) => void): void {
    this.#send = send;
    this.streams++;
    for (const type of this.#types.values()) type.nonce = undefined;
    for (const typeUrl of [...COLLECTIONS, ...BY_NAME, EXTENSION_CONFIG_TYPE]) {
      const { names } = this.#type(typeUrl);
      if (COLLECTIONS.includes(typeUrl) || names.size > 0) this.#ask(typeUrl, [...names], []);
    }
  }

  subscribe(typeUrl: string, name: string): void {
    this.#type(typeUrl).names.add(name);
    this.#ask(typeUrl, [name], []);
  }

  unsubscribe(typeUrl: string, name: string): void {
    const type = this.#type(typeUrl);
    if (!type.names.delete(name)) return;
    type.resources.delete(name);
    this.#ask(typeUrl, [], [name]);
  }

  decode(bytes: Uint8Array): ModelResponse {
    if (this.options.variant === 'delta') {
      const { typeUrl, nonce, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
      const bodies = resources.map(({ resource }) => readModelBody(resource?.value ?? new Uint8Array()));
      return { typeUrl, nonce, version: '', resources: bodies, removed: removedResources };
    }
    const { typeUrl, nonce, versionInfo, resources } = fromBinary(DiscoveryResponseSchema, bytes);
    const bodies = resources.map(({ value }) => readModelBody(value));
    const kept = new Set(bodies.map(({ name }) => name));
    const removed = COLLECTIONS.includes(typeUrl) ? [...this.resources(typeUrl).keys()].filter((name) => !kept.has(name)) : [];
    return { typeUrl, nonce, version: versionInfo, resources: bodies, removed };
  }

  receive(bytes: Uint8Array): void {
    const response = this.decode(bytes);
    const type = this.#type(response.typeUrl);
    type.nonce = response.nonce;
    this.received += response.resources.length;
    const refused = response.resources.filter((body) => this.options.refuses(body));
    if (refused.length === 0) {
      type.version = response.version;
      this.#take(response);
      this.#answer(response.typeUrl, undefined);
    } else {
      if (this.options.appliesGoodPart) {
        this.#take({ ...response, resources: response.resources.filter((body) => !refused.includes(body)) });
      }
      this.#answer(response.typeUrl, `refused: ${refused.map(({ name }) => name).join(', ')}`);
    }
    this.#follow();
  }

  #take({ typeUrl, resources, removed }: ModelResponse): void {
    const type = this.#type(typeUrl);
    const isWanted = (name: string) => COLLECTIONS.includes(typeUrl) || type.names.has(name);
    for (const name of removed) {
      type.resources.delete(name);
      if (typeUrl === CLUSTER_TYPE) this.#warmed(name);
    }
    for (const body of resources) {
      if (!isWanted(body.name)) continue;
      const before = type.resources.get(body.name);
      type.resources.set(body.name, body);
      if (typeUrl === CLUSTER_TYPE && before?.version !== body.version) this.#warm(body, before === undefined);
      if (typeUrl === ENDPOINTS_TYPE) this.#endpointsArrived(body.name);
    }
  }

  #warm(cluster: ModelBody, isNew: boolean): void {
    this.#warmed(cluster.name);
    if (endpointsOf(cluster).length === 0) return;
    this.warming.add(cluster.name);
    if (isNew) this.cold.add(cluster.name);
  }

  #endpointsArrived(endpoints: string): void {
    for (const cluster of this.resources(CLUSTER_TYPE).values()) if (endpointsOf(cluster).includes(endpoints)) this.#warmed(cluster.name);
  }

  #warmed(cluster: string): void {
    this.warming.delete(cluster);
    this.cold.delete(cluster);
  }

  /** Asks for what its resources require, and no longer for what they do not. */
  #follow(): void {
    for (const typeUrl of BY_NAME) {
      const parents = [...this.#types.values()].flatMap(({ resources }) => [...resources.values()]);
      const wanted = new Set(
        parents.flatMap(({ requires }) => requires.flatMap((required) => (required.typeUrl === typeUrl ? [required.name] : []))),
      );
      const type = this.#type(typeUrl);
      const added = [...wanted].filter((name) => !type.names.has(name));
      const left = [...type.names].filter((name) => !wanted.has(name));
      for (const name of added) type.names.add(name);
      for (const name of left) {
        type.names.delete(name);
        type.resources.delete(name);
      }
      if (added.length + left.length > 0) this.#ask(typeUrl, added, left);
    }
  }

  #ask(typeUrl: string, subscribe: string[], unsubscribe: string[]): void {
    const type = this.#type(typeUrl);
    const first = type.nonce === undefined;
    if (this.options.variant === 'delta') {
      type.nonce ??= '';
      const initialResourceVersions = Object.fromEntries(type.resources.values().map(({ name, version }) => [name, version]));
      if (first) this.#sendDelta({ typeUrl, resourceNamesSubscribe: [...type.names], initialResourceVersions });
      else this.#sendDelta({ typeUrl, resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe });
    } else {
      type.nonce ??= '';
      this.#sendSotw({ typeUrl, resourceNames: [...type.names], versionInfo: type.version, responseNonce: type.nonce });
    }
  }

  #answer(typeUrl: string, refusal: string | undefined): void {
    const type = this.#type(typeUrl);
    const errorDetail = refusal === undefined ? {} : { errorDetail: { code: 3, message: refusal } };
    const responseNonce = type.nonce ?? '';
    if (this.options.variant === 'delta') this.#sendDelta({ typeUrl, responseNonce, ...errorDetail });
    else this.#sendSotw({ typeUrl, responseNonce, versionInfo: type.version, resourceNames: [...type.names], ...errorDetail });
  }

  #sendDelta(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    const message = create(DeltaDiscoveryRequestSchema, request);
    message.node = create(NodeSchema, { id: this.options.nodeId });
    this.#send(toBinary(DeltaDiscoveryRequestSchema, message));
  }

  #sendSotw(request: MessageInitShape<typeof DiscoveryRequestSchema>): void {
    const message = create(DiscoveryRequestSchema, request);
    message.node = create(NodeSchema, { id: this.options.nodeId });
    this.#send(toBinary(DiscoveryRequestSchema, message));
  }

  #type(typeUrl: string): ModelType {
    const type = this.#types.get(typeUrl);
    if (!type) throw new Error(`the model client knows nothing of ${typeUrl}`);
    return type;
  }
}

export function endpointsOf({ requires }: ModelBody): string[] {
  return requires.flatMap(({ typeUrl, name }) => (typeUrl === ENDPOINTS_TYPE ? [name] : []));
}
