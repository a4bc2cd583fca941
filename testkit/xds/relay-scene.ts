import { credentials } from '@grpc/grpc-js';
import { Relay, type RelayEvent, type RelayOptions, RelayStore, type StoreEvent } from '../../xds-server/relay/index.ts';
import type { Outcome, XdsServerOptions } from '../../xds-server/serve/index.ts';
import { DeltaPeer } from './scripted-peer.ts';
import { XdsConnection } from './xds-connection.ts';
import { XdsScene } from './xds-scene.ts';

const DELTA_ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

/** A controller, a relay of it and clients of the relay:  `await using scene = await RelayScene.open();` */
export class RelayScene implements AsyncDisposable {
  readonly controller: XdsScene;
  readonly events: (RelayEvent | StoreEvent)[] = [];
  /** What clients made of what the relay sent them. */
  readonly outcomes: Outcome[] = [];
  readonly socket: string;
  readonly #options: Partial<RelayOptions>;
  readonly #connections: XdsConnection[] = [];
  relay: Relay;
  store: RelayStore;

  private constructor(controller: XdsScene, options: Partial<RelayOptions>) {
    this.controller = controller;
    this.socket = controller.folder.join('relay.sock');
    this.#options = options;
    this.store = this.#openStore();
    this.relay = this.#makeRelay();
  }

  static async open(options: Partial<RelayOptions> = {}, controller: Partial<XdsServerOptions> = {}): Promise<RelayScene> {
    const scene = new RelayScene(await XdsScene.open(controller), options);
    await scene.relay.start({ path: scene.socket });
    return scene;
  }

  get storeFolder(): string {
    return this.controller.folder.join('store');
  }

  connect(): XdsConnection {
    const connection = new XdsConnection(`unix:${this.socket}`);
    this.#connections.push(connection);
    return connection;
  }

  /** A scripted client of the relay. */
  delta(): DeltaPeer {
    return new DeltaPeer(this.connect().open(DELTA_ADS));
  }

  /** Another process of the relay, with what the one before it stored. */
  async restartRelay(): Promise<void> {
    await this.relay.close(0);
    await this.store.close();
    this.store = this.#openStore();
    this.relay = this.#makeRelay();
    await this.relay.start({ path: this.socket });
  }

  #openStore(): RelayStore {
    return RelayStore.open({ folder: this.storeFolder, gatherMs: 1, onEvent: (event) => this.events.push(event) });
  }

  #makeRelay(): Relay {
    const { serve, ...options } = this.#options;
    return new Relay({
      upstream: {
        target: `unix:${this.controller.socket}`,
        credentials: credentials.createInsecure(),
        backOff: { firstMs: 20, maxMs: 100 },
      },
      nodeId: 'node-0',
      store: this.store,
      onEvent: (event) => this.events.push(event),
      graceMs: 200,
      holdMs: 2_000,
      drainMs: 0,
      serve: { onOutcome: (outcome) => this.outcomes.push(outcome), ...serve },
      ...options,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection[Symbol.dispose]();
    await this.relay.close(0);
    await this.store.close();
    await this.controller[Symbol.asyncDispose]();
  }
}
