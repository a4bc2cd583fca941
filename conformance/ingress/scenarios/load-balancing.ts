import { patiently } from '../patience.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';
import type { ServedIngress } from '../served-ingress.ts';

const area = 'load balancing';
const reference = REFERENCES.loadBalancing;
const URL = 'http://load-balancing/';

/** Sends until so many pods have answered, as endpoints take a moment to arrive. */
async function podsBecome(web: ServedIngress, pods: number): Promise<void> {
  await patiently(async () => {
    const shares = await web.shares(URL, 'echo-service', 10 * pods);
    if (shares.size !== pods) throw new Error(`${shares.size} pods answered, not ${pods}`);
  });
}

export const LOAD_BALANCING: readonly Scenario[] = [
  {
    area,
    name: 'Of 100 requests each of 10 pods answers some',
    reference,
    covers: ['load balancing: An Ingress with no rules should send all requests to the default backend, by 10 different pods'],
    requests: 100,
    run: async (world) => {
      await world.services('echo-service');
      const web = await world.ingress('load-balancing', { defaultBackend: 'echo-service' });
      await world.deploy('echo-service', { replicas: 10, ingress: 'load-balancing' });
      await podsBecome(web, 10);
      const shares = await web.shares(URL, 'echo-service', 100);
      if (shares.size !== 10) throw new Error(`${shares.size} pods answered, not 10: ${JSON.stringify(Object.fromEntries(shares))}`);
    },
  },
  {
    area,
    name: 'No pod gets more than twice its share',
    reference,
    requests: 90,
    run: async (world) => {
      await world.service('echo-service', 3);
      const web = await world.ingress('web', { defaultBackend: 'echo-service' });
      await podsBecome(web, 3);
      const shares = await web.shares(URL, 'echo-service', 90);
      const most = Math.max(...shares.values());
      if (most > 60) throw new Error(`one of 3 pods answered ${most} of 90 requests`);
    },
  },
  {
    area,
    name: 'Pods that are added get requests, and those that are left go on when others go',
    reference,
    requests: 50,
    run: async (world) => {
      await world.services('echo-service');
      const web = await world.ingress('web', { defaultBackend: 'echo-service' });
      for (const replicas of [1, 4, 2]) {
        await world.deploy('echo-service', { replicas });
        await podsBecome(web, replicas);
      }
      await web.shares(URL, 'echo-service', 20);
    },
  },
  {
    area,
    name: 'A Service without pods is 503, and works as soon as it has one',
    reference,
    requests: 4,
    run: async (world) => {
      await world.service('echo-service', 0);
      const web = await world.ingress('web', { defaultBackend: 'echo-service' });
      await web.becomes(URL, 503);
      await world.deploy('echo-service', { replicas: 1 });
      await web.becomes(URL, 'echo-service');
    },
  },
  {
    area,
    name: 'A Service whose last pod goes is 503, and its neighbour is not harmed',
    reference,
    requests: 5,
    run: async (world) => {
      await world.services('going', 'staying');
      const web = await world.ingress('web', { rules: { 'going.test': 'going', 'staying.test': 'staying' } });
      await web.answers('http://going.test/', 'going');
      await world.deploy('going', { replicas: 0 });
      await web.becomes('http://going.test/', 503);
      await web.answers('http://staying.test/', 'staying');
    },
  },
  {
    area,
    name: 'Pods that are not ready get nothing',
    reference: REFERENCES.endpointConditions,
    requests: 40,
    run: async (world) => {
      await world.services('echo-service');
      await world.deploy('unready', { app: 'echo-service', replicas: 2, ready: false });
      const web = await world.ingress('web', { defaultBackend: 'echo-service' });
      await podsBecome(web, 1);
      await web.shares(URL, 'echo-service', 30);
    },
  },
  {
    area,
    name: 'Pods that become unready while requests come get no more of them',
    reference: REFERENCES.endpointConditions,
    requests: 23,
    run: async (world) => {
      await world.services('echo-service');
      const web = await world.ingress('web', { defaultBackend: 'echo-service' });
      await web.shares(URL, 'echo-service', 20);
      await world.deploy('echo-service', { replicas: 1, ready: false });
      await web.becomes(URL, 503);
    },
  },
];
