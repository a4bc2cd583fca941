import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LoadedObject, ObjectSpec, u32 } from 'libbpf-ts';
import type { ServicePortTranslation } from '../../../model/index.ts';
import { attachToCgroup, detachFromCgroups } from '../cgroup-programs.ts';
import { Pace } from '../pace.ts';
import { encodeIp } from './address.ts';
import { SERVICE_PROGRAMS } from './cgroup.ts';
import { Plan } from './plan.ts';
import { assembleState, readRawState } from './read-state.ts';
import { mapsOf, PINNED_MAPS, type ServiceMaps } from './service-maps.ts';
import type { KernelState } from './state.ts';
import { deleteStrays } from './strays.ts';
import { type WriteCount, writePlan } from './write-state.ts';

const OBJECT = fileURLToPath(new URL('../../programs/gen/service.bpf.o', import.meta.url));

export interface ServiceDatapathOptions {
  /** A folder of the BPF file system, where maps and links are pinned; made if it is not there. */
  readonly pinFolder: string;
  /** The node's network namespace, in which loopback is the node's own. Default: this process'. */
  readonly nodeNetwork?: string;
  /** The programs. Default: those of this checkout. */
  readonly object?: string | Uint8Array;
}

export interface ServiceChanges {
  /** Those that are new, or changed. */
  readonly set?: readonly ServicePortTranslation[];
  /** Names of those that are gone. */
  readonly removed?: readonly string[];
}

/**
 * Services as the kernel translates them. What is in its maps outlives this, and so do the programs once they are attached; whoever
 * comes next goes on from there. Only one at a time may write.
 *
 *     using services = await ServiceDatapath.open({ pinFolder: '/sys/fs/bpf/sluice' });
 *     await services.setNodeAddresses(addresses);
 *     await services.reconcile(translations);
 *     services.attach(findRootCgroup()); // after that, so that nobody is told by programs that know nothing
 */
export class ServiceDatapath implements Disposable {
  readonly #loaded: LoadedObject;
  readonly #maps: ServiceMaps;
  readonly #pinFolder: string;
  /** Undefined where it must be read. */
  #state: KernelState | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(loaded: LoadedObject, pinFolder: string) {
    this.#loaded = loaded;
    this.#maps = mapsOf(loaded);
    this.#pinFolder = pinFolder;
  }

  /**
   * Loads the programs, with the maps that are pinned. Those of another layout are left behind empty: `reconcile` fills them before
   * `attach` replaces the programs that use the old ones.
   * @throws BpfError `load-failed`, `library-missing`
   */
  static async open({ pinFolder, nodeNetwork = '/proc/self/ns/net', object = OBJECT }: ServiceDatapathOptions): Promise<ServiceDatapath> {
    mkdirSync(pinFolder, { recursive: true });
    using spec = ObjectSpec.open(object);
    spec.variable('node_netns', u32).value = statSync(nodeNetwork).ino;
    for (const name of PINNED_MAPS) {
      const map = spec.map(name);
      map.pinPath = join(pinFolder, name);
      map.migrate = () => undefined;
    }
    return new ServiceDatapath(await spec.load(), pinFolder);
  }

  /**
   * Writes changes. Connections that are made meanwhile get what was or what is to be. One after the other, in the order of the calls.
   * @throws ServiceDatapathError `maps-full` or `invalid-translation`: none of them is in force, and `apply` may be called again
   */
  async apply({ set = [], removed = [] }: ServiceChanges): Promise<WriteCount> {
    return await this.#inTurn(async () => {
      const state = this.#state ?? (await assembleState(await readRawState(this.#maps)));
      return await this.#write(state, set, removed);
    });
  }

  /**
   * Makes the maps what all these say, whatever is in them: at the start, and where somebody else may have written to them. Others have
   * their turn in between, but for those who write changes.
   * @returns how much had to be done, 0 where all was right
   * @throws ServiceDatapathError
   */
  async reconcile(all: Iterable<ServicePortTranslation>): Promise<WriteCount> {
    const set = [...all];
    return await this.#inTurn(async () => {
      const raw = await readRawState(this.#maps);
      const state = await assembleState(raw);
      const wanted = new Set(set.map(({ name }) => name));
      const { written, deleted } = await this.#write(
        state,
        set,
        [...state.services.keys()].filter((name) => !wanted.has(name)),
      );
      return { written, deleted: deleted + (await deleteStrays(this.#maps, raw, state)) };
    });
  }

  /**
   * NodePorts are translated where these are asked for; on loopback they are, for processes of the node.
   * @param addresses of the node's devices, without loopback
   */
  async setNodeAddresses(addresses: Iterable<string>): Promise<void> {
    const wanted = [...addresses].map((address) => ({ bytes: encodeIp(address) }));
    await this.#inTurn(async () => {
      const map = this.#maps.node_addresses;
      const isWanted = new Set(wanted.map(({ bytes }) => String(bytes)));
      await map.setAll(wanted.map((key) => [key, 1] as const));
      for (const [key] of [...map.entries()]) if (!isWanted.has(String(key.bytes))) map.delete(key);
    });
  }

  /**
   * Puts the programs to work on all sockets of a cgroup and those below it; in place of those that are at work, with nothing in between.
   * They stay when this is disposed of.
   * @param cgroup a folder of the cgroup file system of version 2, see `findRootCgroup`
   * @throws BpfError `attach-failed`
   */
  attach(cgroup: string): void {
    attachToCgroup(SERVICE_PROGRAMS, this.#loaded, this.#pinFolder, cgroup);
  }

  /** Ends what `attach` began, whoever did. What is in the maps stays. */
  detach(): void {
    detachFromCgroups(SERVICE_PROGRAMS, this.#pinFolder);
  }

  /** Lets go of it; the kernel goes on. */
  [Symbol.dispose](): void {
    this.#loaded[Symbol.dispose]();
  }

  async #write(state: KernelState, set: readonly ServicePortTranslation[], removed: readonly string[]): Promise<WriteCount> {
    this.#state = undefined;
    const plan = new Plan(state);
    const pace = new Pace();
    for (const _step of plan.set(set)) if (pace.isDue) await pace.rest();
    for (const name of removed) plan.remove(name);
    const count = await writePlan(this.#maps, plan.finish());
    this.#state = state;
    return count;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => {});
    return done;
  }
}

/**
 * Ends translation and removes all that was kept for it, whoever made it: programs first, then maps.
 * @param pinFolder as they were opened with; the folder itself stays, which others have files in
 */
export function cleanUpServices(pinFolder: string): void {
  detachFromCgroups(SERVICE_PROGRAMS, pinFolder);
  for (const name of PINNED_MAPS) rmSync(join(pinFolder, name), { force: true });
}
