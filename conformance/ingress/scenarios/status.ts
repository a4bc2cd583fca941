import { patiently } from '../patience.ts';
import { addressesOf, metadataOf } from '../read-object.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';

const area = 'status';
const needsCluster = 'only a cluster has statuses';
const reference = REFERENCES.api;
const SHARED = { 'loadbalancer-mode': 'shared' };

export const STATUS: readonly Scenario[] = [
  {
    area,
    name: 'The address in the status is that of its Service, and one that answers with the first request',
    reference,
    needsCluster,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      await web.answersAll({ 'http://a.test/': 'a', 'http://b.test/': 404 });
      const { address } = await web.target();
      const service = addressesOf(await world.read('v1', 'Service', 'cilium-ingress-web'));
      if (!service.includes(address)) throw new Error(`the Ingress has ${address}, its Service ${service.join(', ')}`);
    },
  },
  {
    area,
    name: 'Shared Ingresses have the same address, and others have one each',
    reference: REFERENCES.annotations,
    needsCluster,
    requests: 4,
    run: async (world) => {
      await world.services('a');
      const make = async (name: string, annotations = {}) => await world.ingress(name, { annotations, rules: { [world.host(name)]: 'a' } });
      const ingresses = [await make('s1', SHARED), await make('s2', SHARED), await make('d1'), await make('d2')];
      for (const ingress of ingresses) await ingress.becomes(`http://${world.host(ingress.name)}/`, 'a');
      const [s1, s2, d1, d2] = await Promise.all(ingresses.map(async (ingress) => (await ingress.target()).address));
      if (s1 !== s2) throw new Error(`shared Ingresses have the addresses ${s1} and ${s2}`);
      if (new Set([s1, d1, d2]).size !== 3) throw new Error(`addresses are not one each: ${[s1, d1, d2].join(', ')}`);
    },
  },
  {
    area,
    name: 'An Ingress that is refused by its class loses its address, and gets one again when it is back',
    reference: REFERENCES.ingressClass,
    needsCluster,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      const rules = { 'a.test': 'a' };
      const web = await world.ingress('web', { rules });
      await web.answers('http://a.test/', 'a');
      await web.update({ className: 'some-other-class', rules });
      await patiently(async () => await world.hasNoAddress(web));
      await web.update({ rules });
      await web.served();
      await web.becomes('http://a.test/', 'a');
    },
  },
  {
    area,
    name: 'A status that somebody empties is written again',
    reference,
    needsCluster,
    requests: 1,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      const { address } = await web.target();
      await world.cluster.merge(web.object, { status: { loadBalancer: { ingress: null } } }, 'status');
      await patiently(async () => {
        const found = addressesOf(await world.cluster.read(web.object));
        if (found.join() !== address) throw new Error(`the status has ${found.join() || 'no address'}, not ${address}`);
      });
      await web.answers('http://a.test/', 'a');
    },
  },
  {
    area,
    name: 'An address that its Service gets anew is followed',
    reference,
    needsCluster,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      const before = metadataOf(await world.read('v1', 'Service', 'cilium-ingress-web')).uid;
      await world.remove('v1', 'Service', 'cilium-ingress-web');
      await patiently(async () => {
        const service = await world.read('v1', 'Service', 'cilium-ingress-web');
        const [wanted] = addressesOf(service);
        if (service === undefined || metadataOf(service).uid === before) throw new Error('the Service is not back');
        const { address } = await web.served();
        if (wanted !== address) throw new Error(`the Ingress has ${address}, its Service ${wanted}`);
        await web.answers('http://a.test/', 'a');
      });
      await web.answers('http://a.test/', 'a');
    },
  },
  {
    area,
    name: 'A change of an Ingress that is not about addresses leaves the status alone',
    reference,
    needsCluster,
    requests: 4,
    run: async (world) => {
      await world.services('a', 'b');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      const { address } = await web.target();
      await web.update({ rules: { 'a.test': 'b' } });
      await web.becomes('http://a.test/', 'b');
      const found = addressesOf(await world.cluster.read(web.object)).join();
      if (found !== address) throw new Error(`the status went from ${address} to ${found}`);
      await web.answers('http://a.test/', 'b');
    },
  },
];
