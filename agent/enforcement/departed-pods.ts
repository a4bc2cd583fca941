import type { DevicesState } from '../pods/index.ts';

/** Pods whose devices are gone, and with these the pods: whoever is connected to them hears nothing of that. */
export class DepartedPods {
  /** By the device. */
  #known: ReadonlyMap<number, readonly string[]> = new Map();

  /** Addresses of those that have gone since this was asked last, but for such as another device has by now. */
  take({ pods, strangers }: DevicesState): readonly string[] {
    const there = [...pods, ...strangers];
    const devices = new Set(there.map(({ ifindex }) => ifindex));
    const taken = new Set(there.flatMap(({ addresses }) => addresses));
    const gone = [...this.#known].filter(([ifindex]) => !devices.has(ifindex)).flatMap(([, addresses]) => addresses);
    this.#known = new Map([...[...this.#known].filter(([ifindex]) => devices.has(ifindex)), ...pods.map(ownAddresses)]);
    return gone.filter((address) => !taken.has(address));
  }
}

function ownAddresses({ ifindex, endpoint }: DevicesState['pods'][number]): readonly [number, readonly string[]] {
  return [ifindex, endpoint.addresses];
}
