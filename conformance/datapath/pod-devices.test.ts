import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { DevicesState } from '../../agent/pods/index.ts';
import type { PodEndpoint } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { NETWORKS, NetnsLab, type Pod } from '../lab/netns/index.ts';
import { PlaceChild } from './place-child.ts';

const PROGRAM = new URL('devices-program.ts', import.meta.url);
const NODE = 'node-1';

interface Request {
  readonly endpoints: readonly PodEndpoint[];
  readonly nodeAddresses: readonly string[];
}

function endpointOf(name: string, addresses: readonly string[], uid = `uid-of-${name}`): PodEndpoint {
  return { pod: { kind: 'Pod', namespace: 'default', name }, uid, node: NODE, addresses, identity: 300 };
}

function endpointOfPod({ name, addresses }: Pod): PodEndpoint {
  return endpointOf(name, [addresses.ipv4, addresses.ipv6]);
}

for (const network of NETWORKS) {
  describe(`devices of a node with a ${network} network`, needs('root', 'netns'), () => {
    let lab: NetnsLab;
    let child: PlaceChild<Request>;
    let state: DevicesState | undefined;

    before(async () => {
      lab = await NetnsLab.start({ network });
      child = new PlaceChild(lab.node(NODE), PROGRAM, (told) => {
        state = told as DevicesState;
      });
    });
    after(async () => {
      await child?.[Symbol.asyncDispose]();
      await lab?.stop();
    });
    beforeEach(() => {
      state = undefined;
    });

    const ownPods = () => lab.pods.filter(({ node }) => node === NODE);
    const nodeAddresses = () => Object.values(lab.node(NODE).addresses);

    async function follow(...endpoints: readonly PodEndpoint[]): Promise<void> {
      await child.ask({ endpoints, nodeAddresses: nodeAddresses() });
    }

    /** Names of the devices that were found, by pod. */
    function found(): Record<string, string> {
      return Object.fromEntries((state?.pods ?? []).map(({ endpoint, name }) => [endpoint.pod.name, name]));
    }

    function missing(): readonly string[] {
      return (state?.missing ?? []).map(({ pod }) => pod.name);
    }

    test('are found for every pod that has one, with what is at their other ends', async () => {
      const onHost = await lab.addPod({ name: 'on-host', node: NODE, isHostNetwork: true });
      await follow(...ownPods().map(endpointOfPod));
      const [first, second] = ownPods();
      assert.ok(first && second);
      assert.deepEqual(found(), { [first.name]: first.plan.device, [second.name]: second.plan.device });
      assert.deepEqual(missing(), ['on-host']);
      const [device] = state?.pods ?? [];
      assert.equal(device?.mac, first.plan.mac);
      for (const address of Object.values(first.addresses)) assert.ok(device?.addresses.includes(address));
      await lab.removePod(onHost.name);
    });

    test('by which packets come from elsewhere are known', async () => {
      await follow();
      await follow(endpointOf('nobody', ['10.244.0.250']));
      assert.deepEqual(
        state?.network.uplinks.map(({ name }) => name),
        ['eth0'],
      );
      assert.deepEqual(
        state?.network.tunnels.map(({ name }) => name),
        network === 'vxlan' ? ['flannel.1'] : [],
      );
    });

    test('are found when their pod comes, lost when it goes, and another when they are made anew', async () => {
      // It is the third on the node, whose own address is before theirs.
      const expected = endpointOf('late', ['10.244.0.4', 'fd00:244::4']);
      await follow(expected);
      assert.deepEqual(missing(), ['late']);
      const late = await lab.addPod({ name: 'late', node: NODE });
      assert.deepEqual(endpointOfPod(late), expected);
      await eventually(() => assert.deepEqual(found(), { late: late.plan.device }));
      await eventually(() => assert.ok(expected.addresses.every((address) => state?.pods[0]?.addresses.includes(address))));
      const before = state?.pods[0]?.ifindex;
      await lab.recreateDevice('late');
      await eventually(() => {
        assert.deepEqual(found(), { late: late.plan.device });
        assert.notEqual(state?.pods[0]?.ifindex, before);
      });
      await lab.removePod('late');
      await eventually(() => assert.deepEqual([found(), missing()], [{}, ['late']]));
    });

    test('are found when their pod gets its address, and lost with the last of them', async () => {
      const [pod] = ownPods();
      assert.ok(pod);
      const late = endpointOf('renamed', ['10.244.0.240', 'fd00:244::f0']);
      await follow(late);
      assert.deepEqual(missing(), ['renamed']);
      await pod.run(['ip', 'address', 'add', '10.244.0.240/24', 'dev', 'eth0']);
      await eventually(() => assert.deepEqual(found(), { renamed: pod.plan.device }));
      await pod.run(['ip', '-6', 'address', 'add', 'fd00:244::f0/64', 'dev', 'eth0']);
      await eventually(() => assert.ok(state?.pods[0]?.addresses.includes('fd00:244::f0')));
      await pod.run(['ip', 'address', 'delete', '10.244.0.240/24', 'dev', 'eth0']);
      await eventually(() => assert.ok(!state?.pods[0]?.addresses.includes('10.244.0.240')));
      assert.deepEqual(found(), { renamed: pod.plan.device });
      await pod.run(['ip', '-6', 'address', 'delete', 'fd00:244::f0/64', 'dev', 'eth0']);
      await eventually(() => assert.deepEqual(missing(), ['renamed']));
    });

    test('are found without being told of other namespaces, too', async () => {
      const [pod] = ownPods();
      assert.ok(pod);
      let seen: DevicesState | undefined;
      const onTold = (told: unknown) => {
        seen = told as DevicesState;
      };
      await using deaf = new PlaceChild<Request>(lab.node(NODE), PROGRAM, onTold, ['setpriv', '--bounding-set', '-net_broadcast']);
      await deaf.ask({ endpoints: [endpointOf('renamed', ['10.244.0.241'])], nodeAddresses: nodeAddresses() });
      assert.deepEqual(seen?.pods, []);
      await pod.run(['ip', 'address', 'add', '10.244.0.241/24', 'dev', 'eth0']);
      await eventually(() =>
        assert.deepEqual(
          seen?.pods.map(({ name }) => name),
          [pod.plan.device],
        ),
      );
      await pod.run(['ip', 'address', 'delete', '10.244.0.241/24', 'dev', 'eth0']);
    });

    test('stay with their pod when another pod takes its address', async () => {
      const [victim, thief] = ownPods();
      assert.ok(victim && thief);
      await follow(endpointOfPod(victim), endpointOfPod(thief));
      const before = found();
      const taken = `${victim.addresses.ipv4}/32`;
      await thief.run(['ip', 'address', 'add', taken, 'dev', 'eth0']);
      await eventually(() => assert.ok(state?.pods[1]?.addresses.includes(victim.addresses.ipv4)));
      assert.deepEqual(found(), before);
      await follow(endpointOfPod(thief), endpointOfPod(victim));
      assert.deepEqual(found(), before);
      await thief.run(['ip', 'address', 'delete', taken, 'dev', 'eth0']);
      await eventually(() => assert.ok(!state?.pods[0]?.addresses.includes(victim.addresses.ipv4)));
    });
  });
}
