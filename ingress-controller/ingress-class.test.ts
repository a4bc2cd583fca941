import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import { ingressClassObject, ingressObject } from '../testkit/kube-objects.ts';
import { CLASS_ANNOTATION, isDefaultClass, managesIngress } from './ingress-class.ts';

const OURS = 'cilium.io/ingress-controller';
const THEIRS = 'example.com/ingress';
const DEFAULT = { annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } };

interface Case {
  readonly name: string;
  readonly spec?: string;
  readonly annotation?: string;
  readonly classes?: readonly ReturnType<typeof ingressClassObject>[];
  readonly managed: boolean;
  readonly codes?: readonly string[];
}

const CASES: readonly Case[] = [
  { name: 'the class of the settings, without an IngressClass', spec: 'cilium', managed: true },
  { name: 'another class, without an IngressClass', spec: 'nginx', managed: false },
  { name: 'the annotation alone', annotation: 'cilium', managed: true },
  { name: 'the annotation, which wins over the spec', annotation: 'nginx', spec: 'cilium', managed: false },
  { name: 'the annotation, which wins over the spec, for us', annotation: 'cilium', spec: 'nginx', managed: true },
  { name: 'a class of any name with our controller', spec: 'edge', classes: [ingressClassObject('edge', OURS)], managed: true },
  { name: 'an annotation with a class of our controller', annotation: 'edge', classes: [ingressClassObject('edge', OURS)], managed: true },
  { name: 'our class name with another controller', spec: 'cilium', classes: [ingressClassObject('cilium', THEIRS)], managed: false },
  {
    name: 'our class name with a class that names no controller',
    spec: 'cilium',
    classes: [ingressClassObject('cilium', undefined)],
    managed: true,
  },
  { name: 'no class and no default', classes: [ingressClassObject('cilium', OURS)], managed: false },
  { name: 'no class and our default', classes: [ingressClassObject('cilium', OURS, DEFAULT)], managed: true },
  { name: 'no class and our default of another name', classes: [ingressClassObject('edge', OURS, DEFAULT)], managed: true },
  { name: 'no class and the default of another', classes: [ingressClassObject('nginx', THEIRS, DEFAULT)], managed: false },
  { name: 'an empty annotation counts as no class', annotation: '', classes: [ingressClassObject('edge', OURS, DEFAULT)], managed: true },
  {
    name: 'two defaults, of which ours is the newest',
    classes: [created('nginx', THEIRS, '2025-01-01T00:00:00Z'), created('cilium', OURS, '2026-01-01T00:00:00Z')],
    managed: true,
    codes: ['SeveralDefaultClasses'],
  },
  {
    name: 'two defaults, of which ours is the older',
    classes: [created('cilium', OURS, '2025-01-01T00:00:00Z'), created('nginx', THEIRS, '2026-01-01T00:00:00Z')],
    managed: false,
    codes: ['SeveralDefaultClasses'],
  },
  {
    name: 'two defaults of one age: the first by name',
    classes: [ingressClassObject('nginx', THEIRS, DEFAULT), ingressClassObject('cilium', OURS, DEFAULT)],
    managed: true,
    codes: ['SeveralDefaultClasses'],
  },
  {
    name: 'two defaults of others are none of our business',
    classes: [ingressClassObject('nginx', THEIRS, DEFAULT), ingressClassObject('haproxy', THEIRS, DEFAULT)],
    managed: false,
  },
];

function created(name: string, controller: string, creationTimestamp: string) {
  return ingressClassObject(name, controller, { ...DEFAULT, creationTimestamp });
}

describe('the class of an Ingress', () => {
  for (const { name, spec, annotation, classes = [], managed, codes = [] } of CASES) {
    it(`${managed ? 'is' : 'is not'} ours: ${name}`, () => {
      const annotations = annotation === undefined ? {} : { [CLASS_ANNOTATION]: annotation };
      const ingress = ingressObject({ ...(spec !== undefined && { ingressClassName: spec }) }, { annotations });
      const byName = new Map(classes.map((ingressClass) => [ingressClass.metadata.name, ingressClass]));
      const defaults = classes.filter(isDefaultClass).map(({ metadata }) => metadata.name);
      for (const names of [defaults, defaults.toReversed()]) {
        const result = managesIngress(ingress, (className) => byName.get(className), names, DEFAULT_SETTINGS.ingress);
        assert.equal(result.managed, managed);
        assert.deepEqual(
          result.diagnostics.map(({ code }) => code),
          codes,
        );
      }
    });
  }

  it('is the default only with the exact text true', () => {
    for (const value of ['True', '1', 'yes', '']) {
      const annotations = { 'ingressclass.kubernetes.io/is-default-class': value };
      assert.equal(isDefaultClass(ingressClassObject('cilium', OURS, { annotations })), false);
    }
  });
});
