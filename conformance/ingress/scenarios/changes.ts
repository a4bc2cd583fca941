import { patiently } from '../patience.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';
import type { ServedIngress } from '../served-ingress.ts';

const area = 'changes';
const reference = REFERENCES.updating;
const SHARED = { 'loadbalancer-mode': 'shared' };

/**
 * Asks again and again, one request after the other, while something is done. No request may fail, and none is sent twice.
 * @param count how many requests at least
 */
async function withoutFailure(web: ServedIngress, url: string, service: string, count: number, act: () => Promise<void>): Promise<void> {
  const acting = { isOver: false };
  const asking = (async () => {
    for (let sent = 0; sent < count || !acting.isOver; sent += 1) await web.answers(url, service);
  })();
  // What it fails with is thrown below, when what is done is over.
  asking.catch(() => {});
  try {
    await act();
  } finally {
    acting.isOver = true;
    await asking;
  }
}

export const CHANGES: readonly Scenario[] = [
  {
    area,
    name: 'A rule that is added is served, and one that is removed is not',
    reference,
    requests: 8,
    run: async (world) => {
      await world.services('a', 'b');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      await web.answersAll({ 'http://a.test/': 'a', 'http://b.test/': 404 });
      await web.update({ rules: { 'a.test': 'a', 'b.test': 'b' } });
      await web.becomes('http://b.test/', 'b');
      await web.update({ rules: { 'b.test': 'b' } });
      await web.becomes('http://a.test/', 404);
      await web.answers('http://b.test/', 'b');
    },
  },
  {
    area,
    name: 'A path moves from one Service to another without a failed request',
    reference,
    requests: 100,
    run: async (world) => {
      await world.services('a', 'b');
      const web = await world.ingress('web', { rules: { 'web.test': [{ path: '/moving', service: 'a' }, { service: 'a' }] } });
      await withoutFailure(web, 'http://web.test/', 'a', 100, async () => {
        await web.update({ rules: { 'web.test': [{ path: '/moving', service: 'b' }, { service: 'a' }] } });
        await web.becomes('http://web.test/moving', 'b');
      });
    },
  },
  {
    area,
    name: 'Other Ingresses that come and go on an address fail no request of one that stays',
    reference,
    requests: 100,
    run: async (world) => {
      await world.services('a');
      const url = `http://${world.host('staying')}/`;
      const web = await world.ingress('staying', { annotations: SHARED, rules: { [world.host('staying')]: 'a' } });
      await withoutFailure(web, url, 'a', 100, async () => {
        const passing = await world.ingress('passing', { annotations: SHARED, rules: { [world.host('passing')]: 'a' } });
        await passing.becomes(`http://${world.host('passing')}/`, 'a');
        await passing.remove();
        await web.becomes(`http://${world.host('passing')}/`, 404);
      });
    },
  },
  {
    area,
    name: 'An Ingress that is deleted is served no more, and one of its name that is made again is',
    reference,
    requests: 5,
    run: async (world) => {
      await world.services('a');
      const rules = { [world.host('again')]: 'a' };
      const staying = await world.ingress('staying', { annotations: SHARED, rules: { [world.host('staying')]: 'a' } });
      const again = await world.ingress('again', { annotations: SHARED, rules });
      await again.answers(`http://${world.host('again')}/`, 'a');
      await again.remove();
      await staying.becomes(`http://${world.host('again')}/`, 404);
      await again.update({ annotations: SHARED, rules });
      await staying.becomes(`http://${world.host('again')}/`, 'a');
    },
  },
  {
    area,
    name: 'A Service that is deleted and made again is served again',
    reference,
    requests: 5,
    run: async (world) => {
      await world.services('a', 'staying');
      const web = await world.ingress('web', { rules: { 'a.test': 'a', 'staying.test': 'staying' } });
      await web.answers('http://a.test/', 'a');
      await world.remove('v1', 'Service', 'a');
      await patiently(async () => {
        const { status } = await web.send('http://a.test/');
        if (status < 500) throw new Error(`a Service that is gone is answered with ${status}`);
      });
      await web.answers('http://staying.test/', 'staying');
      await world.services('a');
      await web.becomes('http://a.test/', 'a');
    },
  },
  {
    area,
    name: 'A Secret that is deleted harms no other host, and serves again when it is back',
    reference,
    requests: 5,
    run: async (world) => {
      await world.services('a', 'b');
      const a = await world.certificate('a-tls', 'a.test');
      await world.certificate('b-tls', 'b.test');
      const web = await world.ingress('web', {
        rules: { 'a.test': 'a', 'b.test': 'b' },
        tls: { 'a-tls': ['a.test'], 'b-tls': ['b.test'] },
      });
      await web.answers('https://b.test/', 'b');
      await world.remove('v1', 'Secret', 'b-tls');
      await web.becomesRefused('https://b.test/');
      await web.answers('https://a.test/', 'a', { ca: a.certificate });
      const b = await world.certificate('b-tls', 'b.test');
      await web.becomes('https://b.test/', 'b', { ca: b.certificate });
    },
  },
  {
    area,
    name: 'An Ingress moves from an address of its own to the shared one and back',
    reference: REFERENCES.annotations,
    needsCluster: 'without a cluster all addresses are one',
    requests: 3,
    run: async (world) => {
      await world.services('a');
      const host = world.host('moving');
      const rules = { [host]: 'a' };
      const web = await world.ingress('web', { rules });
      await web.answers(`http://${host}/`, 'a');
      for (const annotations of [SHARED, {}]) {
        const { address: before } = await web.target();
        await web.update({ annotations, rules });
        await patiently(async () => {
          const { address } = await web.served();
          if (address === before) throw new Error(`the address is still ${before}`);
        });
        await web.answers(`http://${host}/`, 'a');
      }
    },
  },
  {
    area,
    name: 'A namespace that is deleted takes its Ingress and what was made for it along, and harms no other',
    reference: 'https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/',
    needsCluster: 'a folder has no namespaces that could be deleted',
    requests: 4,
    run: async (world) => {
      const doomed = await world.beside('doomed');
      await Promise.all([world.services('a'), doomed.services('a')]);
      const staying = await world.ingress('staying', { annotations: SHARED, rules: { [world.host('staying')]: 'a' } });
      const gone = await doomed.ingress('web', { annotations: SHARED, rules: { [doomed.host('web')]: 'a' } });
      await doomed.ingress('own', { rules: { 'own.test': 'a' } });
      await gone.answers(`http://${doomed.host('web')}/`, 'a');
      await world.cluster.endNamespace(doomed.namespace);
      await staying.becomes(`http://${doomed.host('web')}/`, 404);
      await staying.answers(`http://${world.host('staying')}/`, 'a');
      await patiently(async () => {
        const left = await world.cluster.read({ apiVersion: 'v1', kind: 'Namespace', namespace: '', name: doomed.namespace });
        if (left !== undefined) throw new Error(`namespace ${doomed.namespace} does not end`);
      }, 90_000);
    },
  },
];
