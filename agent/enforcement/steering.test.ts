import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { maps } from '../../bpf/datapath/gen/policy.ts';
import { Datapath } from '../../bpf/datapath/index.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { needs } from '../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { SteeringNetwork } from '../network/index.ts';
import { PROXY_PORTS } from '../slots/proxy-ports.ts';
import { Steering } from './steering.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';

test(
  'what an older process put at the device is replaced by the next, which knows both of its ends',
  needs('root', 'bpf', 'netns', 'ipv6'),
  async () => {
    using folder = new TemporaryFolder();
    const stateFolder = folder.join('state');
    const failures: Error[] = [];
    using network = SteeringNetwork.open({ stateFolder, proxyPorts: PROXY_PORTS, onEvent: () => {} });
    const datapath = await Datapath.open({ pinFolder: PINS });
    try {
      datapath.attachSteering(network.ifindex);
      using steering = new Steering({ datapath, stateFolder, onEvent: () => {}, onFailure: (error) => failures.push(error) });
      steering.ensure();
      using map = openMap(`${PINS}/configuration`, ...maps.configuration);
      const { steer_ifindex, steer_entry_ifindex } = map.get(0) ?? {};
      assert.deepEqual([steer_ifindex, steer_entry_ifindex, failures], [network.ifindex, network.entryIfindex, []]);
    } finally {
      datapath.cleanUp();
    }
  },
);
