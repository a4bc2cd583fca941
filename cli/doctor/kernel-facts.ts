import { RouteNetlink } from '../../agent/netlink/index.ts';
import { findRootCgroup, listObstacles, missingFeatures } from '../../bpf/datapath/index.ts';
import type { KernelFacts } from './policy-machine.ts';

/** Those of the machine and network namespace that this process is in. */
export const KERNEL_FACTS: KernelFacts = {
  missingFeatures,
  rootCgroup: () => findRootCgroup(),
  obstacles: () => {
    const found = listObstacles();
    using netlink = RouteNetlink.open();
    const names = new Map(netlink.links().map(({ index, name }) => [index, name]));
    return new Map([...found].map(([ifindex, why]) => [names.get(ifindex) ?? String(ifindex), why]));
  },
};
