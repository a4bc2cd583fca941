import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { KubeObject } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, NETWORKS, type Outcome, type Place, type Pod } from '../lab/netns/index.ts';
import { ipPacket } from '../lab/netns/packet.ts';
import { EnforcementScene, NAMESPACE, read } from './scene.ts';

// Nothing else translates Services here: there is no kube-proxy.

const PORT = 80;
const BACKEND_PORT = 8080;
const NODE_PORT = 30_080;
const TCP = 6;

type Addresses = Readonly<Record<Family, string>>;

const WEB: Addresses = { ipv4: '10.96.0.10', ipv6: 'fd00:96::10' };
const LOCAL: Addresses = { ipv4: '10.96.0.11', ipv6: 'fd00:96::11' };

function service(name: string, addresses: Addresses, spec: object = {}): KubeObject {
  return read({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      type: 'NodePort',
      clusterIPs: Object.values(addresses),
      ports: [{ port: PORT, ...(name === 'web' && { nodePort: NODE_PORT }) }],
      ...spec,
    },
  });
}

function slice(name: string, family: Family, pods: readonly Pod[]): KubeObject {
  return read({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${family}`, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': name } },
    addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
    ports: [{ port: BACKEND_PORT }],
    endpoints: pods.map((pod) => ({ addresses: [pod.addresses[family]], conditions: { ready: true }, nodeName: pod.node })),
  });
}

function slices(name: string, ...pods: readonly Pod[]): readonly KubeObject[] {
  return FAMILIES.map((family) => slice(name, family, pods));
}

/** For all of an application: what may come in from one other, and where it may go. */
function policy(app: string, spec: object): KubeObject {
  return read({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: app, namespace: NAMESPACE },
    spec: { podSelector: { matchLabels: { app } }, ...spec },
  });
}

const peer = (app: string) => [{ podSelector: { matchLabels: { app } } }];
const port = [{ port: BACKEND_PORT }];

/** What comes of asking, by both families. */
async function ask(from: Place, to: Addresses, number = PORT): Promise<readonly Outcome[]> {
  return await Promise.all(FAMILIES.map((family) => from.prober.probe({ protocol: 'TCP', to: to[family], port: number, timeoutMs: 700 })));
}

/** A TCP header with SYN. @see RFC 9293 */
function opening(from: number, to: number): Uint8Array {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(from, 0);
  header.writeUInt16BE(to, 2);
  header.writeUInt16BE(0x5002, 12);
  return header;
}

const ANSWERED: readonly Outcome[] = ['answered', 'answered'];
const REFUSED: readonly Outcome[] = ['refused', 'refused'];
const SILENT: readonly Outcome[] = ['timedOut', 'timedOut'];

for (const network of NETWORKS) {
  describe(`from Services to sockets, ${network}`, needs('root', 'bpf', 'netns'), () => {
    const cleanUp = new AsyncDisposableStack();
    let scene: EnforcementScene;
    let server: Pod;
    let near: Pod;
    let far: Pod;
    let other: Pod;
    before(async () => {
      scene = cleanUp.use(await EnforcementScene.start(network));
      [server, near] = [scene.lab.pod('pod-1-1'), scene.lab.pod('pod-1-2')];
      [far, other] = [scene.lab.pod('pod-2-1'), scene.lab.pod('pod-2-2')];
      for (const pod of [server, other]) await pod.prober.serve('TCP', BACKEND_PORT);
      scene.publish(service('web', WEB), ...slices('web', server));
      await Promise.all(scene.lab.nodes.map((node) => scene.startAgent(node)));
      await scene.inForce();
    });
    after(() => cleanUp.disposeAsync());

    test('its address leads to its endpoint, from pods and nodes, wherever they are', async () => {
      for (const from of [near, far, ...scene.lab.nodes])
        await eventually(async () => assert.deepEqual(await ask(from, WEB), ANSWERED, from.name));
    });

    test('its node port does on the node itself, and on loopback for the node', async () => {
      const node = scene.lab.node('node-2');
      assert.deepEqual(await ask(far, node.addresses, NODE_PORT), ANSWERED);
      assert.deepEqual(await ask(node, node.addresses, NODE_PORT), ANSWERED);
      assert.deepEqual(await ask(node, { ipv4: '127.0.0.1', ipv6: '::1' }, NODE_PORT), ANSWERED);
      assert.deepEqual(await ask(far, { ipv4: '127.0.0.1', ipv6: '::1' }, NODE_PORT), REFUSED);
    });

    test('whom it leads to decides, on the way in', async () => {
      scene.publish(policy('pod-1-1', { ingress: [{ from: peer('pod-2-1'), ports: port }] }));
      await scene.inForce();
      assert.deepEqual(await ask(far, WEB), ANSWERED);
      assert.deepEqual(await ask(near, WEB), SILENT);
      scene.withdraw(policy('pod-1-1', {}));
      await scene.inForce();
    });

    test('and on the way out', async () => {
      scene.publish(policy('pod-1-2', { policyTypes: ['Egress'], egress: [{ to: peer('pod-2-2'), ports: port }] }));
      await scene.inForce();
      assert.deepEqual(await ask(near, WEB), SILENT);
      scene.publish(...slices('web', other));
      await scene.inForce();
      assert.deepEqual(await ask(near, WEB), ANSWERED);
    });

    test('what is sent past the socket is dropped for what it is', async () => {
      const dropped = () => scene.packets(scene.lab.node('node-1'), 'dropped-service');
      const before = await dropped();
      for (const family of FAMILIES) {
        await near.prober.sendPacket(
          ipPacket({ from: near.addresses[family], to: WEB[family], protocol: TCP, payload: opening(4321, PORT) }),
        );
      }
      await eventually(async () => assert.equal(await dropped(), before + FAMILIES.length));
    });

    test('without endpoints it refuses, and so it does without any of its own node where only these count', async () => {
      scene.publish(...slices('web'), service('local', LOCAL, { internalTrafficPolicy: 'Local' }), ...slices('local', other));
      await scene.inForce();
      for (const from of [near, far]) assert.deepEqual(await ask(from, WEB), REFUSED, from.name);
      assert.deepEqual(await ask(far, LOCAL), ANSWERED);
      assert.deepEqual(await ask(scene.lab.node('node-1'), LOCAL), REFUSED);
    });

    test('a killed agent leaves in force what was, and the next one takes in what changed meanwhile', async () => {
      const node = scene.lab.node('node-2');
      scene.publish(...slices('web', server));
      await scene.inForce();
      await scene.killAgent(node);
      scene.publish(...slices('web'));
      assert.deepEqual(await ask(far, WEB), ANSWERED);
      await scene.startAgent(node);
      await eventually(async () => assert.deepEqual(await ask(far, WEB), REFUSED));
    });

    test('one that is gone leads nowhere', async () => {
      scene.withdraw(service('local', LOCAL));
      await scene.inForce();
      for (const outcome of await ask(far, LOCAL)) assert.ok(outcome === 'timedOut' || outcome === 'unreachable', outcome);
    });

    test('nothing went wrong on the way', () => {
      const failures = scene.told.filter((told) => /"kind":"(failed|refused)"/.test(JSON.stringify(told)));
      assert.deepEqual(failures, []);
    });
  });
}
