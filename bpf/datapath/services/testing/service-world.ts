import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { ServiceFrontend, ServicePortTranslation } from '../../../../model/index.ts';
import { Cgroup, removeCgroup } from '../../../libbpf-ts/testing/cgroup.ts';
import { cleanUpServices, ServiceDatapath } from '../index.ts';
import { SocketClient } from './socket-client.ts';

/** In the BPF file system of a test file's own namespaces. */
export const PINS = '/sys/fs/bpf/sluice';

/** Backends of tests have these; they are on loopback. */
export const ADDRESSES = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', 'fd01::1', 'fd01::2', 'fd01::3'] as const;

type Place = readonly [address: string, port: number];

export interface TranslationInput {
  readonly frontends: readonly Place[];
  readonly backends?: readonly Place[];
  readonly draining?: readonly Place[];
  readonly protocol?: ServiceFrontend['protocol'];
  readonly affinitySeconds?: number;
  readonly untranslated?: ServicePortTranslation['untranslated'];
}

export function translation(name: string, { protocol = 'TCP', ...input }: TranslationInput): ServicePortTranslation {
  const places = (list: readonly Place[] = []) => list.map(([address, port]) => ({ address, port }));
  return {
    name,
    service: { kind: 'Service', namespace: 'default', name },
    frontends: places(input.frontends).map((place) => ({ ...place, protocol })),
    backends: places(input.backends),
    draining: places(input.draining),
    affinitySeconds: input.affinitySeconds ?? 0,
    ...(input.untranslated && { untranslated: input.untranslated }),
  };
}

/** Services in a cgroup of their own, with clients and servers in it. All of it goes at the end. */
export class ServiceWorld implements AsyncDisposable {
  readonly cgroup: Cgroup;
  readonly client: SocketClient;
  datapath: ServiceDatapath;
  readonly #clients: SocketClient[] = [];

  private constructor(cgroup: Cgroup, datapath: ServiceDatapath) {
    this.cgroup = cgroup;
    this.datapath = datapath;
    this.client = this.join();
  }

  /** `ADDRESSES` are this machine's and answer at port 8080, at each by TCP and UDP. */
  static async start(services: readonly ServicePortTranslation[] = []): Promise<ServiceWorld> {
    addAddresses();
    const datapath = await ServiceDatapath.open({ pinFolder: PINS });
    await datapath.reconcile(services);
    const world = new ServiceWorld(new Cgroup(), datapath);
    datapath.attach(world.cgroup.folder);
    for (const address of ADDRESSES) await world.client.ask({ kind: 'serve', address, port: 8080 });
    return world;
  }

  /**
   * One more process in the cgroup.
   * @param network `own`: in a network namespace of its own, where the addresses are, too
   * @param below a cgroup below this one
   */
  join(network: 'shared' | 'own' = 'shared', below = ''): SocketClient {
    const own = `exec unshare --net sh -c 'ip link set lo up; ${addressCommands().join('; ')}; exec "$@"' sh "$@"`;
    const script = network === 'own' ? own : 'exec "$@"';
    return this.#started(new SocketClient(`echo $$ > '${join(this.cgroup.folder, below, 'cgroup.procs')}' && ${script}`));
  }

  /** A process in another cgroup, which must not go before it. */
  joinOther(cgroup: Cgroup): SocketClient {
    return this.#started(new SocketClient(cgroup.within('exec "$@"')));
  }

  /** One that a test made below this one's; what was in it must have ended. */
  removeCgroup(below: string): void {
    removeCgroup(join(this.cgroup.folder, below));
  }

  #started(client: SocketClient): SocketClient {
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client[Symbol.asyncDispose]();
    this.datapath[Symbol.dispose]();
    cleanUpServices(PINS);
    this.cgroup[Symbol.dispose]();
  }
}

function addressCommands(): readonly string[] {
  return ADDRESSES.map((address) => `ip address replace ${address}/${address.includes(':') ? '128 nodad' : '32'} dev lo`);
}

function addAddresses(): void {
  execFileSync('sh', ['-c', addressCommands().join('; ')], { stdio: 'inherit' });
}
