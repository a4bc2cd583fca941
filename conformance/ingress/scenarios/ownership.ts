import { serviceManifest } from '../../../testkit/manifest-objects.ts';
import { patiently } from '../patience.ts';
import { eventOf, metadataOf, serviceSpecOf } from '../read-object.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';
import type { World } from '../world.ts';

const area = 'ownership';
const needsCluster = 'only a cluster has owners and Events';
const reference = REFERENCES.owners;
const SERVICE = 'cilium-ingress-web';

async function hasEvent(world: World, kind: string, name: string, reason: string): Promise<void> {
  await patiently(async () => {
    const events = (await world.cluster.list('events.k8s.io/v1', 'Event', world.namespace)).map(eventOf);
    if (events.some((event) => event.kind === kind && event.name === name && event.reason === reason)) return;
    throw new Error(
      `no Event ${reason} on ${kind} ${name}, only ${events.map((event) => `${event.reason} on ${event.name}`).join(', ') || 'none'}`,
    );
  });
}

export const OWNERSHIP: readonly Scenario[] = [
  {
    area,
    name: 'The Service of an Ingress that is deleted by hand comes back and serves',
    reference,
    needsCluster,
    requests: 4,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      await web.answers('http://a.test/', 'a');
      const before = metadataOf(await world.read('v1', 'Service', SERVICE)).uid;
      await world.remove('v1', 'Service', SERVICE);
      await patiently(async () => {
        const service = await world.read('v1', 'Service', SERVICE);
        if (service === undefined || metadataOf(service).uid === before) throw new Error('the Service is not back');
        await web.served();
        await web.answers('http://a.test/', 'a');
      });
      await web.becomes('http://a.test/', 'a');
    },
  },
  {
    area,
    name: 'What somebody changes in the Service of an Ingress is set right again',
    reference,
    needsCluster,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      await web.answers('http://a.test/', 'a');
      const service = { apiVersion: 'v1', kind: 'Service', namespace: world.namespace, name: SERVICE };
      await world.cluster.merge(service, { spec: { type: 'ClusterIP' } });
      await patiently(async () => {
        const { type } = serviceSpecOf(await world.read('v1', 'Service', SERVICE));
        if (type !== 'LoadBalancer') throw new Error(`the Service is a ${type}`);
        await web.served();
        await web.answers('http://a.test/', 'a');
      });
    },
  },
  {
    area,
    name: "A Service of its name that is somebody else's is left alone and told about, and the Ingress has no address",
    reference,
    needsCluster,
    requests: 1,
    run: async (world) => {
      await world.services('a');
      await world.apply(serviceManifest(SERVICE, [{ port: 7777 }], { selector: { app: 'somebody' } }));
      const before = metadataOf(await world.read('v1', 'Service', SERVICE));
      const web = await world.unawaitedIngress('web', { rules: { 'a.test': 'a' } });
      const other = await world.ingress('other', { rules: { 'other.test': 'a' } });
      await other.answers('http://other.test/', 'a');
      await hasEvent(world, 'Ingress', 'web', 'ServiceNameTaken');
      const after = metadataOf(await world.read('v1', 'Service', SERVICE));
      if (after.resourceVersion !== before.resourceVersion) throw new Error('the Service of somebody else was changed');
      await world.hasNoAddress(web);
    },
  },
  {
    area,
    name: 'A Service of its name that goes away makes room',
    reference,
    needsCluster,
    requests: 3,
    run: async (world) => {
      await world.services('a');
      await world.apply(serviceManifest(SERVICE, [{ port: 7777 }], { selector: { app: 'somebody' } }));
      const web = await world.unawaitedIngress('web', { rules: { 'a.test': 'a' } });
      await hasEvent(world, 'Ingress', 'web', 'ServiceNameTaken');
      await world.remove('v1', 'Service', SERVICE);
      await web.served();
      await web.becomes('http://a.test/', 'a');
    },
  },
  {
    area,
    name: 'What was made for an Ingress goes with it',
    reference,
    needsCluster,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      await web.answers('http://a.test/', 'a');
      await web.remove();
      await patiently(async () => {
        for (const [apiVersion, kind] of [
          ['v1', 'Service'],
          ['discovery.k8s.io/v1', 'EndpointSlice'],
        ] as const) {
          if ((await world.read(apiVersion, kind, SERVICE)) !== undefined) throw new Error(`${kind} ${SERVICE} is still there`);
        }
      });
    },
  },
  {
    area,
    name: 'What was made for a dedicated Ingress goes when it becomes shared',
    reference: REFERENCES.annotations,
    needsCluster,
    requests: 3,
    run: async (world) => {
      await world.services('a');
      const rules = { [world.host('a')]: 'a' };
      const web = await world.ingress('web', { rules });
      await web.answers(`http://${world.host('a')}/`, 'a');
      await web.update({ annotations: { 'loadbalancer-mode': 'shared' }, rules });
      await patiently(async () => {
        if ((await world.read('v1', 'Service', SERVICE)) !== undefined) throw new Error(`Service ${SERVICE} is still there`);
        await web.served();
        await web.answers(`http://${world.host('a')}/`, 'a');
      });
      await web.answers(`http://${world.host('a')}/`, 'a');
    },
  },
  {
    area,
    name: 'A backend that does not exist is told about by an Event on the Ingress',
    reference: 'https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/',
    needsCluster,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a', 'missing.test': 'missing' } });
      await web.answers('http://a.test/', 'a');
      await hasEvent(world, 'Ingress', 'web', 'ServiceNotFound');
    },
  },
  {
    area,
    name: 'A Secret that does not exist is told about by an Event on the Ingress',
    reference: 'https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/',
    needsCluster,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' }, tls: { missing: ['b.test'] } });
      await web.answers('http://a.test/', 'a');
      await hasEvent(world, 'Ingress', 'web', 'SecretNotFound');
    },
  },
];
