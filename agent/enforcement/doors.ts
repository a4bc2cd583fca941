import type { Datapath } from '../../bpf/datapath/index.ts';
import type { Identity } from '../../model/index.ts';
import { errorOf } from '../error-of.ts';
import type { NetworkDevices } from '../pods/index.ts';

/** The device of a pod, and as whom it is judged. */
export interface PodDoor {
  readonly ifindex: number;
  /** By which it is told of: the pod's key, or the device's name where the pod is not known. */
  readonly key: string;
  readonly identity: Identity;
  readonly addresses: readonly string[];
}

/** All that programs are wanted at. */
export interface WantedDoors {
  readonly pods: readonly PodDoor[];
  readonly network: NetworkDevices;
}

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

  /** Pods whose packets are not judged, because nothing could be attached to their devices; why, by their keys. */
  get open(): ReadonlyMap<string, string> {
    return this.#open;
  }

  /** Resolves when it is so, or what cannot be was told of. One call after the other. */
  set(wanted: WantedDoors): Promise<void> {
    return this.#take(() => this.#set(wanted));
  }

  /**
   * The same, with a look at what is attached. What this process did not attach is put in the place of, at devices that are wanted,
   * and taken off others.
   */
  verify(wanted: WantedDoors): Promise<void> {
    return this.#take(async () => {
      const present = this.#datapath.attached();
      for (const ifindex of this.#attached) if (!present.has(ifindex)) this.#attached.delete(ifindex);
      await this.#set(wanted);
      for (const ifindex of present.keys()) if (!this.#attached.has(ifindex)) this.#datapath.detach(ifindex);
      await this.#forgetStrangers(new Set(wanted.pods.map(({ ifindex }) => ifindex)));
    });
  }

  settled(): Promise<void> {
    return this.#setting;
  }

  #take(action: () => Promise<void>): Promise<void> {
    this.#setting = this.#setting.then(action).catch((error: unknown) => this.#onFailure(errorOf(error)));
    return this.#setting;
  }

  async #set({ pods, network }: WantedDoors): Promise<void> {
    const devices = [...network.uplinks, ...network.tunnels].map(({ ifindex }) => ifindex);
    const wanted = new Set([...pods.map(({ ifindex }) => ifindex), ...devices]);
    for (const ifindex of this.#attached) if (!wanted.has(ifindex)) await this.#leave(ifindex);
    const open = new Map<string, string>();
    for (const pod of pods) {
      const failure = await this.#enter(pod);
      if (!failure) continue;
      open.set(pod.key, failure.message);
      if (this.#open.get(pod.key) !== failure.message) this.#onFailure(failure);
    }
    for (const ifindex of devices) this.#attach(ifindex, () => this.#datapath.attachNetwork(ifindex));
    this.#open = open;
  }

  /** The pod is known before anything is attached, since what nobody is known for sends nothing. */
  async #enter({ ifindex, identity, addresses }: PodDoor): Promise<Error | undefined> {
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
