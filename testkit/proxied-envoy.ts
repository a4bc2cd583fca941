import { create } from '@bufbuild/protobuf';
import { type Any, anyPack, durationFromMs } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { envoyTypesVersion } from '@sluice/envoy-protos/version.js';
import { buildBootstrap, type EnvoyEvent, EnvoyProcess, StateFolder } from '../agent/index.ts';
import { DEFAULT_SETTINGS, type Settings } from '../settings/index.ts';
import { DeltaAds } from './delta-ads.ts';
import { envoyBinary } from './envoy-binary.ts';

export interface ProxiedEnvoyOptions {
  readonly statePath: string;
  /** The port of 127.0.0.1 on which Envoy serves. */
  readonly listenPort: number;
  /** Another on which Envoy passes bytes through, without looking for requests in them. */
  readonly tcpListenPort?: number;
  /** The port of 127.0.0.1 to which everything goes. */
  readonly backendPort: number;
  /** Default: the one of {@link envoyBinary}. */
  readonly binary?: string;
  readonly settings?: Partial<Settings['envoy']>;
  readonly onEvent?: (event: EnvoyEvent) => void;
}

/** All that a node consists of, made small: a state folder, an xDS server that delivers one listener and one cluster, and Envoy. */
export class ProxiedEnvoy implements AsyncDisposable {
  readonly state: StateFolder;
  readonly ads: DeltaAds;
  readonly envoy: EnvoyProcess;
  /** What happened to Envoy, oldest first. */
  readonly events: readonly EnvoyEvent[];

  private constructor(state: StateFolder, ads: DeltaAds, envoy: EnvoyProcess, events: readonly EnvoyEvent[]) {
    this.state = state;
    this.ads = ads;
    this.envoy = envoy;
    this.events = events;
  }

  /** Everything but Envoy runs; `envoy.start()` is the caller's. */
  static async prepare(options: ProxiedEnvoyOptions): Promise<ProxiedEnvoy> {
    const settings = { ...DEFAULT_SETTINGS.envoy, concurrency: 1, ...options.settings };
    const state = StateFolder.open(options.statePath);
    const ads = await DeltaAds.listen(state.xdsSocket);
    ads.add(ListenerSchema, 'test', httpListener(options.listenPort)).add(ClusterSchema, 'backend', cluster(options.backendPort));
    if (options.tcpListenPort !== undefined) ads.add(ListenerSchema, 'tcp', tcpListener(options.tcpListenPort));
    const bootstrap = buildBootstrap({
      nodeId: 'test-node',
      cluster: 'test',
      xdsSocket: state.xdsSocket,
      adminSocket: state.adminSocket,
      settings,
    });
    const events: EnvoyEvent[] = [];
    const onEvent = (event: EnvoyEvent) => {
      events.push(event);
      options.onEvent?.(event);
    };
    const envoy = new EnvoyProcess({
      binary: options.binary ?? envoyBinary(),
      version: envoyTypesVersion(),
      state,
      bootstrap,
      settings,
      onEvent,
    });
    return new ProxiedEnvoy(state, ads, envoy, events);
  }

  static async start(options: ProxiedEnvoyOptions): Promise<ProxiedEnvoy> {
    const proxied = await ProxiedEnvoy.prepare(options);
    await proxied.envoy.start();
    return proxied;
  }

  /** Leaves Envoy running; the temporary folder ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.envoy.detach();
    await this.ads[Symbol.asyncDispose]();
    this.state.release();
  }
}

function httpListener(port: number) {
  const connectionManager = create(HttpConnectionManagerSchema, {
    statPrefix: 'test',
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    routeSpecifier: {
      case: 'routeConfig',
      value: {
        virtualHosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [
              {
                match: { pathSpecifier: { case: 'prefix', value: '/' } },
                action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: 'backend' }, timeout: durationFromMs(0) } },
              },
            ],
          },
        ],
      },
    },
    httpFilters: [
      {
        name: 'envoy.filters.http.router',
        configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) },
      },
    ],
  });
  return listener('test', port, anyPack(HttpConnectionManagerSchema, connectionManager));
}

function tcpListener(port: number) {
  const proxy = create(TcpProxySchema, { statPrefix: 'test', clusterSpecifier: { case: 'cluster', value: 'backend' } });
  return listener('tcp', port, anyPack(TcpProxySchema, proxy));
}

function listener(name: string, port: number, filter: Any) {
  const filters = [{ name: 'test', configType: { case: 'typedConfig' as const, value: filter } }];
  return create(ListenerSchema, { name, address: socketAddress(port), filterChains: [{ filters }] });
}

function cluster(port: number) {
  const endpoint = { address: socketAddress(port) };
  return create(ClusterSchema, {
    name: 'backend',
    connectTimeout: durationFromMs(5_000),
    loadAssignment: { clusterName: 'backend', endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: endpoint } }] }] },
  });
}

function socketAddress(port: number) {
  const value = { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } };
  return { address: { case: 'socketAddress' as const, value } };
}
