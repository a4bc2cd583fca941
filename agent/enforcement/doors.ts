import type { Datapath } from '../../bpf/datapath/index.ts';
import { objectKey } from '../../model/index.ts';
import type { DevicesState, PodDevice } from '../pods/index.ts';
import { errorOf } from './enforcement-error.ts';

/** Keeps programs at the devices where packets come from pods, go to pods, and come from elsewhere, and at no others. */
export class Doors {
  readonly #datapath: Datapath;
  readonly #onFailure: (error: Error) => void;
  /** Devices that this process attached programs to. */
  readonly #attached = new Set<number>();
  #open: ReadonlyMap<string, string> = new Map();
  #setting: Promise<void> = Promise.resolve();

  constructor(datapath: Datapath, onFailure: (error: Error) => void) {
    this.#datapath = datapath;
    this.#onFailure = onFailure;
  }

  /** Pods whose packets are not judged, because nothing could be attached to their devices; why, by the pod's key. */
  get open(): ReadonlyMap<string, string> {
    return this.#open;
  }

  /** Resolves when it is so, or what cannot be was told of. One call after the other. */
  set(state: DevicesState): Promise<void> {
    return this.#take(() => this.#set(state));
  }

  /**
   * The same, with a look at what is attached. What this process did not attach is put in the place of, at devices that are wanted,
   * and taken off others.
   */
  verify(state: DevicesState): Promise<void> {
    return this.#take(async () => {
      const present = this.#datapath.attached();
      for (const ifindex of this.#attached) if (!present.has(ifindex)) this.#attached.delete(ifindex);
      await this.#set(state);
      for (const ifindex of present.keys()) if (!this.#attached.has(ifindex)) this.#datapath.detach(ifindex);
      await this.#forgetStrangers(new Set(state.pods.map(({ ifindex }) => ifindex)));
    });
  }

  settled(): Promise<void> {
    return this.#setting;
  }

  #take(action: () => Promise<void>): Promise<void> {
    this.#setting = this.#setting.then(action).catch((error: unknown) => this.#onFailure(errorOf(error)));
    return this.#setting;
  }

  async #set({ pods, network }: DevicesState): Promise<void> {
    const devices = [...network.uplinks, ...network.tunnels].map(({ ifindex }) => ifindex);
    const wanted = new Set([...pods.map(({ ifindex }) => ifindex), ...devices]);
    for (const ifindex of this.#attached) if (!wanted.has(ifindex)) await this.#leave(ifindex);
    const open = new Map<string, string>();
    for (const pod of pods) {
      const failure = await this.#enter(pod);
      if (!failure) continue;
      const key = objectKey(pod.endpoint.pod);
      open.set(key, failure.message);
      if (this.#open.get(key) !== failure.message) this.#onFailure(failure);
    }
    for (const ifindex of devices) this.#attach(ifindex, () => this.#datapath.attachNetwork(ifindex));
    this.#open = open;
  }

  /** The pod is known before anything is attached, since what nobody is known for sends nothing. */
  async #enter({ ifindex, endpoint: { identity, addresses } }: PodDevice): Promise<Error | undefined> {
    try {
      await this.#datapath.endpoints.set(ifindex, { identity, addresses });
      if (this.#attached.has(ifindex)) return undefined;
      this.#datapath.attachPod(ifindex);
      this.#attached.add(ifindex);
      return undefined;
    } catch (error) {
      return errorOf(error);
    }
  }

  async #leave(ifindex: number): Promise<void> {
    this.#datapath.detach(ifindex);
    await this.#datapath.endpoints.remove(ifindex);
    this.#attached.delete(ifindex);
  }

  #attach(ifindex: number, attach: () => void): void {
    if (this.#attached.has(ifindex)) return;
    try {
      attach();
      this.#attached.add(ifindex);
    } catch (error) {
      this.#onFailure(errorOf(error));
    }
  }

  async #forgetStrangers(pods: ReadonlySet<number>): Promise<void> {
    for (const [ifindex] of [...this.#datapath.endpoints.entries()]) if (!pods.has(ifindex)) await this.#datapath.endpoints.remove(ifindex);
  }
}
