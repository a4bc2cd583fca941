import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { PlaceChild } from '../datapath/place-child.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import type { CrowdRequest } from './crowd-program.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { SteeredLab } from './steered-lab.ts';

const PROGRAM = new URL('crowd-program.ts', import.meta.url);
const PORT = 80;
const CONNECTIONS = 20;

const PODS = [
  { name: 'near', node: 'node-1', labels: { app: 'client' } },
  { name: 'far', node: 'node-2', labels: { app: 'client' } },
  ...FAMILIES.flatMap((family) => ['web', 'leaver'].map((name) => ({ name: `${name}-${family}`, node: 'node-1', labels: { app: name } }))),
  ...FAMILIES.map((family) => ({ name: `asked-${family}`, node: 'node-1', labels: { app: 'web' } })),
  { name: 'stays', node: 'node-2', labels: { app: 'web' } },
] as const;
const RULES = [tcpPort(PORT, [{ path: '/one' }])];
const POLICIES = [
  ciliumPolicy({ name: 'web', app: 'web', ingress: [{ fromEndpoints: [...app('client'), ...app('leaver')], toPorts: RULES }] }),
  ciliumPolicy({ name: 'leaver', app: 'leaver', egress: [{ toEndpoints: app('web'), toPorts: RULES }] }),
];

describe('a pod that is gone without a word', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  const crowds = new Map<string, PlaceChild<CrowdRequest>>();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
    for (const { name } of PODS) crowds.set(name, cleanUp.use(new PlaceChild<CrowdRequest>(lab.lab.pod(name), PROGRAM)));
    for (const { name, labels } of PODS) if (labels.app === 'web') await ask(name, { kind: 'serve', port: PORT });
    await lab.set('policies', POLICIES);
  });
  after(() => cleanUp.disposeAsync());

  const ask = async (place: string, request: CrowdRequest) => await crowds.get(place)?.ask(request);
  /** @returns where it connected to */
  async function open(from: string, server: string, family: Family): Promise<string> {
    const to = lab.lab.pod(server).addresses[family];
    const request: CrowdRequest = { kind: 'open', to, port: PORT, count: CONNECTIONS, path: '/one', atOnce: CONNECTIONS };
    assert.deepEqual(await ask(from, request), { 200: CONNECTIONS });
    return to;
  }
  const remove = (name: string) => lab.removePod(name, crowds.get(name));
  /** Of its node's Envoy with either side. */
  const connectionsOf = async (address: string) => {
    const place = isIPv6(address) ? `[${address}]` : address;
    const lines = await lab.lab.node('node-1').run(['ss', '-Htno', 'state', 'established', 'src', place, 'or', 'dst', place]);
    return lines.split('\n').filter((line) => line !== '');
  };

  for (const family of FAMILIES) {
    test(`has the connections of its clients end, of its own node and another, ${family}`, async () => {
      for (const client of ['near', 'far']) await open(client, `web-${family}`, family);
      const others = await open('near', 'stays', family);
      await remove(`web-${family}`);
      await eventually(async () => assert.equal(await ask('far', { kind: 'count' }), 0));
      await eventually(async () => assert.equal(await ask('near', { kind: 'count' }), CONNECTIONS, `those to ${others} stay`));
      await ask('near', { kind: 'close' });
    });

    test(`leaves Envoy none of its own, ${family}`, async () => {
      await open(`leaver-${family}`, 'stays', family);
      const address = lab.lab.pod(`leaver-${family}`).addresses[family];
      assert.ok((await connectionsOf(address)).length >= CONNECTIONS);
      await remove(`leaver-${family}`);
      await eventually(async () => assert.deepEqual(await connectionsOf(address), []));
    });

    // The kernel asks them: `keep-alive.test.ts` beside the filters says what comes of it.
    test(`on another node, Envoy would hear of from the kernel, ${family}`, async () => {
      const address = lab.lab.pod(`asked-${family}`).addresses[family];
      await open('far', `asked-${family}`, family);
      await eventually(async () => {
        const lines = await connectionsOf(address);
        assert.ok(lines.length >= CONNECTIONS);
        assert.deepEqual(
          lines.filter((line) => !line.includes('timer:(keepalive,')),
          [],
        );
      });
      await ask('far', { kind: 'close' });
    });
  }
});
