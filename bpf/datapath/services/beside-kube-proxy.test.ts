import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../../testkit/capabilities.ts';
import { kubeProxyRules } from '../../../testkit/kube-proxy-rules.ts';
import { Cgroup } from '../../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../../libbpf-ts/testing/own-namespaces.ts';
import { ServiceWorld, translation } from './testing/service-world.ts';

enterOwnNamespaces();

/** A route for addresses of Services, as every node has one by default; rules translate before it is used. */
const ROUTE =
  'ip link add out type veth peer name away && ip link set out up && ip link set away up && ip address add 10.2.0.1/24 dev out && ip route add default via 10.2.0.254';
const BOTH = '192.0.2.1';
const LEFT = '192.0.2.2';

describe('beside the rules of kube-proxy', needs('root', 'bpf', 'netns'), () => {
  let world: ServiceWorld;
  before(async () => {
    world = await ServiceWorld.start([
      translation('both', { frontends: [[BOTH, 80]], backends: [['10.1.0.1', 8080]] }),
      translation('left', { frontends: [[LEFT, 80]], untranslated: 'source-ranges' }),
    ]);
    execFileSync('sh', ['-c', ROUTE]);
    // Other backends than ours, to tell who translated.
    const theirs = [BOTH, LEFT].map((address, index) =>
      translation(`theirs-${index}`, { frontends: [[address, 80]], backends: [['10.1.0.2', 8080]] }),
    );
    execFileSync('nft', ['-f', '-'], { input: kubeProxyRules(theirs) });
  });
  after(async () => await world[Symbol.asyncDispose]());

  test('what is translated at the socket is left alone by them', async () => {
    assert.deepEqual(await world.client.tcp(BOTH, 80), { backend: '10.1.0.1 8080', peer: `${BOTH} 80` });
  });

  test('what is left to them they translate', async () => {
    assert.deepEqual(await world.client.tcp(LEFT, 80), { backend: '10.1.0.2 8080', peer: `${LEFT} 80` });
  });

  test('who is in another cgroup is theirs', async () => {
    using elsewhere = new Cgroup();
    const client = world.joinOther(elsewhere);
    assert.deepEqual(await client.tcp(BOTH, 80), { backend: '10.1.0.2 8080', peer: `${BOTH} 80` });
    await client[Symbol.asyncDispose]();
  });
});
