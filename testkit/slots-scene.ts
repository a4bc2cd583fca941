import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import type { DeltaDiscoveryResponse } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { RedirectSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { NodeSlots, ProxyPorts } from '../agent/index.ts';
import {
  CLUSTER_TYPE,
  EXTENSION_CONFIG_TYPE,
  type Holdings,
  LISTENER_TYPE,
  NODE_METHODS,
  NODE_PATH,
  REDIRECT_TYPE,
  type Resource,
  SLOT_TYPE,
  SnapshotCache,
  SUBJECT_POLICY_TYPE,
} from '../xds-server/serve/index.ts';
import { eventually } from './eventually.ts';
import type { DeltaPeer } from './xds/scripted-peer.ts';
import { XdsScene } from './xds/xds-scene.ts';

export interface SlotsSceneOptions {
  /** That Envoy asks for. */
  readonly filters?: readonly string[];
  readonly holdMs?: number;
  /** Whether the node is told of resources one after the other, as an agent is. */
  readonly isRelayed?: boolean;
  /** What Envoy says of a response; undefined: that it accepts it. */
  readonly refuses?: (response: DeltaDiscoveryResponse) => string | undefined;
}

/** A node with its Envoy and its enforcer, which do as they are told and write down in which order that was. */
export class SlotsScene implements AsyncDisposable {
  readonly told: string[] = [];
  readonly listening = new Set<number>();
  readonly failures: Error[] = [];
  /** As it was told of last. */
  refusals: ReadonlyMap<string, string> = new Map();
  holdings: Holdings | undefined;
  readonly #options: SlotsSceneOptions;
  readonly #envoy: XdsScene;
  readonly #enforcer: XdsScene;
  readonly #ports: ProxyPorts;
  slots: NodeSlots;

  private constructor(options: SlotsSceneOptions, envoy: XdsScene, enforcer: XdsScene) {
    this.#options = options;
    this.#envoy = envoy;
    this.#enforcer = enforcer;
    this.#ports = ProxyPorts.open(envoy.folder.path, { listening: () => new Set() });
    this.slots = this.#make();
  }

  static async open(options: SlotsSceneOptions = {}): Promise<SlotsScene> {
    const isHeld = (resource: Resource): boolean => scene?.slots.isHeld(resource) ?? false;
    let scene: SlotsScene | undefined;
    const cache = new SnapshotCache({ partial: options.isRelayed === true });
    scene = new SlotsScene(options, await XdsScene.open({ cache }), await XdsScene.open({ methods: NODE_METHODS, isHeld }));
    return scene;
  }

  publish({ filters, policies }: { readonly filters: readonly Resource[]; readonly policies: readonly Resource[] }): void {
    this.#envoy.cache.apply({ upserts: filters, removals: [] });
    const kept = [...this.#enforcer.cache.ofType(REDIRECT_TYPE).values()].map(({ resource }) => resource);
    this.#enforcer.cache.replace([...policies, ...kept]);
  }

  /** What Envoy is served under a name. */
  listener(name: string): Listener | undefined {
    const served = this.#envoy.cache.get({ typeUrl: LISTENER_TYPE, name });
    return served && fromBinary(ListenerSchema, served.body);
  }

  /** @param has listeners that it has from before */
  startEnvoy(has: readonly string[] = []): void {
    const peer = this.#envoy.delta();
    const initialResourceVersions = Object.fromEntries(has.map((name) => [name, 'before']));
    peer.say({ node: { id: 'node' }, typeUrl: LISTENER_TYPE, resourceNamesSubscribe: ['*'], initialResourceVersions });
    peer.say({ typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: ['*'] });
    peer.say({ typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: [...(this.#options.filters ?? [])] });
    void this.#follow(peer, 'envoy');
  }

  startEnforcer(): void {
    const peer = this.#enforcer.delta(NODE_PATH);
    peer.say({ node: { id: 'node' }, typeUrl: REDIRECT_TYPE, resourceNamesSubscribe: ['*'] });
    for (const typeUrl of [SLOT_TYPE, SUBJECT_POLICY_TYPE]) peer.say({ typeUrl, resourceNamesSubscribe: ['*'] });
    void this.#follow(peer, 'enforcer');
  }

  async isTold(expected: string): Promise<void> {
    await eventually(() => assert.ok(this.told.includes(expected), this.told.join('\n')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.slots[Symbol.dispose]();
    await this.#envoy[Symbol.asyncDispose]();
    await this.#enforcer[Symbol.asyncDispose]();
  }

  #make(): NodeSlots {
    const { holdMs = 60_000 } = this.#options;
    const sideOf = ({ cache, server }: XdsScene) => ({ cache, server, setOwn: cache.apply.bind(cache) });
    return new NodeSlots({
      envoy: sideOf(this.#envoy),
      enforcer: sideOf(this.#enforcer),
      ports: this.#ports,
      listening: () => this.listening,
      holdMs,
      onFailure: (error) => this.failures.push(error),
      onRefusals: (refused) => {
        this.refusals = refused;
      },
      onHoldings: (holdings) => {
        this.holdings = holdings;
      },
    });
  }

  async #follow(peer: DeltaPeer, who: string): Promise<void> {
    for (;;) {
      const response = await peer.next();
      const type = response.typeUrl.slice(response.typeUrl.lastIndexOf('.') + 1);
      const refusal = who === 'envoy' ? this.#options.refuses?.(response) : undefined;
      for (const { name, resource } of response.resources) {
        const ready = type === 'Redirect' && resource ? fromBinary(RedirectSchema, resource.value).ready : undefined;
        this.told.push(`${who} ${refusal === undefined ? '+' : '!'}${type} ${name}${ready === undefined ? '' : ` ready ${ready}`}`);
      }
      for (const name of response.removedResources) this.told.push(`${who} -${type} ${name}`);
      if (refusal === undefined) peer.ack(response);
      else peer.nack(response, refusal);
    }
  }
}
