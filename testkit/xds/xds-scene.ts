import { type Outcome, type Resource, SnapshotCache, XdsServer, type XdsServerOptions } from '../../xds-server/serve/index.ts';
import { TemporaryFolder } from '../temporary-folder.ts';
import { DeltaPeer, SotwPeer } from './scripted-peer.ts';
import { XdsConnection } from './xds-connection.ts';

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

/** An xDS server on a Unix socket and clients of it:  `await using scene = await XdsScene.open();` */
export class XdsScene implements AsyncDisposable {
  readonly cache: SnapshotCache;
  readonly outcomes: Outcome[] = [];
  readonly folder = new TemporaryFolder();
  readonly socket = this.folder.join('xds.sock');
  readonly #options: Partial<XdsServerOptions>;
  server: XdsServer;
  readonly #connections: XdsConnection[] = [];

  private constructor(options: Partial<XdsServerOptions>) {
    this.#options = options;
    this.cache = options.cache ?? new SnapshotCache();
    this.server = this.#makeServer();
  }

  static async open(options: Partial<XdsServerOptions> = {}): Promise<XdsScene> {
    const scene = new XdsScene(options);
    await scene.server.listen({ path: scene.socket });
    return scene;
  }

  /** Another process in the place of the server, which remembers nothing. */
  async restartServer(): Promise<void> {
    await this.server.close(0);
    this.server = this.#makeServer();
    await this.server.listen({ path: this.socket });
  }

  #makeServer(): XdsServer {
    const { cache, outcomes } = this;
    return new XdsServer({ cache, onOutcome: (outcome) => outcomes.push(outcome), drainMs: 0, ...this.#options });
  }

  publish(...resources: readonly Resource[]): void {
    this.cache.replace(resources);
  }

  /** @param target where to connect; default: the socket */
  connect(target = `unix:${this.socket}`): XdsConnection {
    const connection = new XdsConnection(target);
    this.#connections.push(connection);
    return connection;
  }

  delta(path = `${ADS}/DeltaAggregatedResources`): DeltaPeer {
    return new DeltaPeer(this.connect().open(path));
  }

  sotw(path = `${ADS}/StreamAggregatedResources`): SotwPeer {
    return new SotwPeer(this.connect().open(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection[Symbol.dispose]();
    await this.server.close(0);
    this.folder.dispose();
  }
}
