import { patiently } from '../patience.ts';
import { metadataOf, serviceSpecOf } from '../read-object.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';
import type { World } from '../world.ts';

const area = 'placement';
const needsCluster = 'only a cluster has Services of Ingresses';
const reference = REFERENCES.annotations;
const SHARED = { 'loadbalancer-mode': 'shared' };
/** Of the range that API servers give by default, and unlikely to be taken. */
const NODE_PORTS = { insecure: 31_780, secure: 31_743 };

async function service(world: World, name: string) {
  return serviceSpecOf(await world.read('v1', 'Service', `cilium-ingress-${name}`));
}

export const PLACEMENT: readonly Scenario[] = [
  {
    area,
    name: 'Dedicated Ingresses do not see each other: each address has its own hosts only',
    reference,
    needsCluster,
    requests: 4,
    run: async (world) => {
      await world.services('a', 'b');
      const one = await world.ingress('one', { rules: { 'same.test': 'a', 'one.test': 'a' } });
      const two = await world.ingress('two', { rules: { 'same.test': 'b', 'two.test': 'b' } });
      await one.answersAll({ 'http://same.test/': 'a', 'http://two.test/': 404 });
      await two.answersAll({ 'http://same.test/': 'b', 'http://one.test/': 404 });
    },
  },
  {
    area,
    name: 'A dedicated Ingress without rules of its own hosts does not take what is sent to the shared address',
    reference,
    needsCluster,
    requests: 3,
    run: async (world) => {
      await world.services('a', 'b');
      const own = await world.ingress('own', { defaultBackend: 'a' });
      const shared = await world.ingress('shared', { annotations: SHARED, rules: { [world.host('shared')]: 'b' } });
      await own.answers(`http://${world.host('shared')}/`, 'a');
      await shared.answers(`http://${world.host('shared')}/`, 'b');
      await shared.answers(`http://${world.host('unknown')}/`, 404);
    },
  },
  {
    area,
    name: 'The Service of a dedicated Ingress is a load balancer for ports 80 and 443 that the Ingress owns',
    reference,
    needsCluster,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      await web.answers('http://a.test/', 'a');
      const { type, ports } = await service(world, 'web');
      if (type !== 'LoadBalancer') throw new Error(`the Service is a ${type}`);
      const numbers = ports.map(({ port }) => port).sort((a, b) => a - b);
      if (!numbers.includes(80)) throw new Error(`the Service has the ports ${numbers.join(', ')}`);
      const { ownerReferences } = metadataOf(await world.read('v1', 'Service', 'cilium-ingress-web'));
      const { uid } = metadataOf(await world.cluster.read(web.object));
      if (!ownerReferences.some((owner) => owner.uid === uid && owner.controller)) throw new Error('the Ingress does not own its Service');
    },
  },
  {
    area,
    name: 'A shared Ingress has no Service of its own',
    reference,
    needsCluster,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { annotations: SHARED, rules: { [world.host('a')]: 'a' } });
      await web.answers(`http://${world.host('a')}/`, 'a');
      const own = await world.read('v1', 'Service', 'cilium-ingress-web');
      if (own !== undefined) throw new Error('there is a Service cilium-ingress-web');
    },
  },
  {
    area,
    name: 'service-type NodePort makes a Service of that type, with the node ports that are asked for',
    reference,
    needsCluster,
    requests: 0,
    run: async (world) => {
      await world.services('a');
      const annotations = {
        'service-type': 'NodePort',
        'insecure-node-port': `${NODE_PORTS.insecure}`,
        'secure-node-port': `${NODE_PORTS.secure}`,
      };
      await world.unawaitedIngress('web', { annotations, rules: { 'a.test': 'a' } });
      await patiently(async () => {
        const { type, ports } = await service(world, 'web');
        const nodePorts = Object.fromEntries(ports.map(({ port, nodePort }) => [port, nodePort]));
        const found = [type, nodePorts[80], nodePorts[443]].join();
        if (found !== `NodePort,${NODE_PORTS.insecure},${NODE_PORTS.secure}`) throw new Error(`the Service has ${found}`);
      });
    },
  },
  {
    area,
    name: 'service-external-traffic-policy is that of the Service, also after it changes',
    reference,
    needsCluster,
    requests: 0,
    run: async (world) => {
      await world.services('a');
      const rules = { 'a.test': 'a' };
      const web = await world.unawaitedIngress('web', { annotations: { 'service-external-traffic-policy': 'Local' }, rules });
      for (const policy of ['Local', 'Cluster']) {
        await web.update({ annotations: { 'service-external-traffic-policy': policy }, rules });
        await patiently(async () => {
          const { externalTrafficPolicy } = await service(world, 'web');
          if (externalTrafficPolicy !== policy) throw new Error(`the policy is ${externalTrafficPolicy}, not ${policy}`);
        });
      }
    },
  },
  {
    area,
    name: 'loadbalancer-class is that of the Service, which then has no address of the default load balancer',
    reference,
    needsCluster,
    requests: 0,
    run: async (world) => {
      await world.services('a');
      const annotations = { 'loadbalancer-class': 'example.com/metal' };
      const web = await world.unawaitedIngress('web', { annotations, rules: { 'a.test': 'a' } });
      await patiently(async () => {
        const { loadBalancerClass } = await service(world, 'web');
        if (loadBalancerClass !== 'example.com/metal') throw new Error(`the class is ${loadBalancerClass}`);
      });
      await world.hasNoAddress(web);
    },
  },
];
