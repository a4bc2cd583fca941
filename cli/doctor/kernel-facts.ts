import { RouteNetlink } from '../../agent/netlink/index.ts';
import { findSteeringObstacles, inspectSteeringNetwork, whyNoSysctls } from '../../agent/network/index.ts';
import { PROXY_PORTS } from '../../agent/slots/proxy-ports.ts';
import { DatapathError, findRootCgroup, listObstacles, missingFeatures, PinnedDatapath } from '../../bpf/datapath/index.ts';
import { pinFolderOption } from '../options.ts';
import type { KernelFacts } from './policy-machine.ts';

/** Those of the machine and network namespace that this process is in. */
export const KERNEL_FACTS: KernelFacts = {
  missingFeatures,
  rootCgroup: () => findRootCgroup(),
  steering: { items: () => inspectSteeringNetwork({ proxyPorts: PROXY_PORTS }), obstacles: findSteeringObstacles, whyNoSysctls },
  obstacles: () => {
    const found = listObstacles();
    using netlink = RouteNetlink.open();
    const names = new Map(netlink.links().map(({ index, name }) => [index, name]));
    return new Map([...found].map(([ifindex, why]) => [names.get(ifindex) ?? String(ifindex), why]));
  },
  taken: () => {
    try {
      return new PinnedDatapath(pinFolderOption.default).taken();
    } catch (error) {
      if (error instanceof DatapathError && error.code === 'nothing-pinned') return [];
      throw error;
    }
  },
};
