import { ingressManifest } from '../../../testkit/manifest-objects.ts';
import { ingressClassOf } from '../objects.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';
import type { ServedIngress } from '../served-ingress.ts';
import type { World } from '../world.ts';

const area = 'ingress class';
const OLD_ANNOTATION = 'kubernetes.io/ingress.class';
const SHARED = { 'loadbalancer-mode': 'shared' };

/**
 * An Ingress that must not be served, next to one that is and was made later: all of them share an address, so it would answer if it were.
 * @returns the one that is served
 */
async function besideOurs(world: World): Promise<ServedIngress> {
  return await world.ingress('ours', { annotations: SHARED, rules: { [world.host('ours')]: 'a' } });
}

export const INGRESS_CLASS: readonly Scenario[] = [
  {
    area,
    name: 'A class that does not exist is not served',
    reference: REFERENCES.ingressClass,
    covers: ['ingress class: An Ingress with an invalid ingress class should not send traffic to the matching backend service'],
    requests: 2,
    run: async (world) => {
      await world.services('a');
      const rules = { [world.host('theirs')]: 'a' };
      await world.unawaitedIngress('test-ingress-class', { annotations: SHARED, className: 'some-invalid-class-name', rules });
      const ours = await besideOurs(world);
      await ours.answersAll({ [`http://${world.host('ours')}/`]: 'a', [`http://${world.host('theirs')}/`]: 404 });
    },
  },
  {
    area,
    name: 'A class that does not exist gets no address',
    reference: REFERENCES.ingressClass,
    needsCluster: 'only a cluster has statuses',
    run: async (world) => {
      await world.services('a');
      const theirs = await world.unawaitedIngress('theirs', { className: 'some-invalid-class-name', rules: { 'theirs.test': 'a' } });
      const ours = await world.ingress('ours', { rules: { 'ours.test': 'a' } });
      await ours.answers('http://ours.test/', 'a');
      await world.hasNoAddress(theirs);
    },
  },
  {
    area,
    name: 'A class of another controller is not served',
    reference: REFERENCES.ingressClass,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      await world.applyGlobal(ingressClassOf(`${world.namespace}-theirs`, 'example.com/other'));
      const rules = { [world.host('theirs')]: 'a' };
      await world.unawaitedIngress('theirs', { annotations: SHARED, className: `${world.namespace}-theirs`, rules });
      const ours = await besideOurs(world);
      await ours.answersAll({ [`http://${world.host('ours')}/`]: 'a', [`http://${world.host('theirs')}/`]: 404 });
    },
  },
  {
    area,
    name: 'A further class of our controller is served',
    reference: REFERENCES.ingressClass,
    run: async (world) => {
      await world.services('a');
      await world.applyGlobal(ingressClassOf(`${world.namespace}-edge`));
      const web = await world.ingress('web', { className: `${world.namespace}-edge`, rules: { 'edge.test': 'a' } });
      await web.answers('http://edge.test/', 'a');
    },
  },
  {
    area,
    name: 'The annotation of old names the class',
    reference: REFERENCES.oldAnnotation,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { className: null, annotations: { [OLD_ANNOTATION]: 'cilium' }, rules: { 'old.test': 'a' } });
      await web.answers('http://old.test/', 'a');
    },
  },
  {
    area,
    name: 'The annotation of old with the class of another is not served',
    reference: REFERENCES.oldAnnotation,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      const annotations = { ...SHARED, [OLD_ANNOTATION]: 'nginx' };
      await world.unawaitedIngress('theirs', { className: null, annotations, rules: { [world.host('theirs')]: 'a' } });
      const ours = await besideOurs(world);
      await ours.answersAll({ [`http://${world.host('ours')}/`]: 'a', [`http://${world.host('theirs')}/`]: 404 });
    },
  },
  {
    area,
    name: 'Without a class and without a default class it is not served, and is once its class is the default',
    reference: REFERENCES.defaultClass,
    alone: true,
    requests: 4,
    run: async (world) => {
      await world.services('a');
      await world.applyGlobal(ingressClassOf('cilium'));
      const rules = { [world.host('none')]: 'a' };
      await world.apply(ingressManifest('none', { className: null, annotations: SHARED, rules }));
      const ours = await besideOurs(world);
      await ours.answersAll({ [`http://${world.host('ours')}/`]: 'a', [`http://${world.host('none')}/`]: 404 });
      await world.whileApplied([ingressClassOf('cilium', undefined, true)], [ingressClassOf('cilium')], async () => {
        await world.apply(ingressManifest('late', { className: null, annotations: SHARED, rules: { [world.host('late')]: 'a' } }));
        await ours.becomes(`http://${world.host('late')}/`, 'a');
      });
    },
  },
  {
    area,
    name: 'Moved to the class of another, it is served no more; moved back, it is again',
    reference: REFERENCES.ingressClass,
    requests: 9,
    run: async (world) => {
      await world.services('a');
      const rules = { [world.host('moving')]: 'a' };
      const ours = await besideOurs(world);
      const moving = await world.ingress('moving', { annotations: SHARED, rules });
      await ours.answers(`http://${world.host('moving')}/`, 'a');
      await moving.update({ annotations: SHARED, className: 'some-other-class', rules });
      await ours.becomes(`http://${world.host('moving')}/`, 404);
      await moving.update({ annotations: SHARED, rules });
      await ours.becomes(`http://${world.host('moving')}/`, 'a');
      await ours.answers(`http://${world.host('ours')}/`, 'a');
    },
  },
];
