import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { UPSTREAM_PORTS } from '../../../model/index.ts';
import { envoyBinary } from '../../../testkit/envoy-binary.ts';
import type { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import type { Cgroup } from '../../libbpf-ts/testing/cgroup.ts';
import type { ProxyService } from './transparent-proxy.ts';

/** ip(7), socket(7) */
const OPTIONS = { mark: [1, 36], portRange: [0, 51], bindAddressNoPort: [0, 24] } as const;
const [LISTENER_MARK, UPSTREAM_MARK] = [0x900, 0xd02];
const TYPES = 'type.googleapis.com/envoy.extensions.filters';

/** A stock Envoy with a listener that takes a Service, and asks one backend by HTTP with the address of whoever asks. */
export class ServiceEnvoy implements AsyncDisposable {
  readonly #process: ChildProcess;

  /** It listens some time later. */
  constructor(service: ProxyService, { cgroup, folder }: { readonly cgroup: Cgroup; readonly folder: TemporaryFolder }) {
    const path = folder.join('envoy.json');
    const families = [0, 1] as const;
    const listeners = families.map((family) => listenerOf(service, family));
    writeFileSync(
      path,
      JSON.stringify({ static_resources: { listeners, clusters: families.map((family) => clusterOf(service, family)) } }),
    );
    const command = `exec setpriv --pdeathsig KILL ${envoyBinary()} -c ${path} --concurrency 1 --disable-hot-restart --log-level error`;
    this.#process = spawn('sh', ['-c', cgroup.within(command)], { stdio: ['ignore', 'inherit', 'inherit'] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

function listenerOf({ port }: ProxyService, family: 0 | 1): object {
  const routes = [{ match: { prefix: '/' }, route: { cluster: `backend-${family}` } }];
  const manager = {
    '@type': `${TYPES}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'service',
    use_remote_address: true,
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [{ name: 'router', typed_config: { '@type': `${TYPES}.http.router.v3.Router` } }],
  };
  const source = { '@type': `${TYPES}.listener.original_src.v3.OriginalSrc`, mark: port * 0x10000 + UPSTREAM_MARK };
  return {
    name: `service-${family}`,
    address: addressOf(family === 0 ? '0.0.0.0' : '::', port),
    transparent: true,
    socket_options: [option(OPTIONS.mark, port * 0x10000 + LISTENER_MARK)],
    listener_filters: [{ name: 'source', typed_config: source }],
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
}

function clusterOf({ backend }: ProxyService, family: 0 | 1): object {
  const { first, last } = UPSTREAM_PORTS.services;
  const endpoint = { address: addressOf(backend.addresses[family], backend.port) };
  return {
    name: `backend-${family}`,
    connect_timeout: '1s',
    upstream_bind_config: { socket_options: [option(OPTIONS.portRange, (last << 16) | first), option(OPTIONS.bindAddressNoPort, 1)] },
    load_assignment: { cluster_name: `backend-${family}`, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

function addressOf(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}

function option([level, name]: readonly [number, number], value: number): object {
  return { level, name, int_value: value, state: 'STATE_PREBIND' };
}
