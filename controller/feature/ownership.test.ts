import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const OLD = '2020-01-01T00:00:00Z';
const NEW = '2024-01-01T00:00:00Z';

function ingressClass(name: string, controller: string, isDefault = false) {
  const annotations = isDefault ? { 'ingressclass.kubernetes.io/is-default-class': 'true' } : {};
  return JSON.stringify({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name, annotations },
    spec: { controller },
  });
}

describe('whose is what', needs('envoy'), () => {
  const sluice = new RunningSluice();
  before(async () => {
    await sluice.addBackends('a', 'b');
    await sluice.start();
  });
  after(() => sluice.stop());

  test('an Ingress is served where its class is ours', async () => {
    const annotation = 'kubernetes.io/ingress.class';
    const withClass = (name: string, className: string | null, annotations = {}) =>
      ingressManifest(name, { rules: { [`${name}.test`]: 'a' }, className, annotations });
    sluice.write(
      'classes.yaml',
      withClass('ours', 'cilium'),
      withClass('old-spelling', null, { [annotation]: 'cilium' }),
      withClass('old-spelling-first', 'other', { [annotation]: 'cilium' }),
      withClass('other', 'other'),
      withClass('other-spelling-first', 'cilium', { [annotation]: 'other' }),
      withClass('by-controller', 'edge'),
      withClass('none', null),
      ingressClass('edge', 'cilium.io/ingress-controller'),
      ingressClass('other', 'example.com/other'),
    );
    await sluice.settled();
    const names = ['ours', 'old-spelling', 'old-spelling-first', 'by-controller', 'other', 'other-spelling-first', 'none'];
    const answers = await Promise.all(names.map(async (name) => [name, await sluice.whoAnswers(`${name}.test`)]));
    const served = (name: string) => names.indexOf(name) < 4;
    assert.deepEqual(
      answers,
      names.map((name) => [name, served(name) ? 'a' : '404']),
    );
  });

  test('an Ingress without class is served where ours is the default', async () => {
    sluice.write('default-class.yaml', ingressClass('cilium', 'cilium.io/ingress-controller', true));
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('none.test'), 'a');
    sluice.write('default-class.yaml', ingressClass('cilium', 'cilium.io/ingress-controller'));
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('none.test'), '404');
  });

  test('of two that claim a path the oldest has it, the other is told and keeps the rest', async () => {
    const rules = (service: string, more: string) => ({
      'claimed.test': [
        { path: '/', service },
        { path: more, service },
      ],
    });
    sluice.write('claims.yaml', ingressManifest('a-new', { rules: rules('a', '/new'), creationTimestamp: NEW }));
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('claimed.test', '/'), 'a');
    sluice.write('older.yaml', ingressManifest('z-old', { rules: rules('b', '/old'), creationTimestamp: OLD }));
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), ['Ingress/a-new Conflict']);
    const answers = await Promise.all(['/', '/new', '/old'].map((path) => sluice.whoAnswers('claimed.test', path)));
    assert.deepEqual(answers, ['b', 'a', 'b']);
    sluice.remove('older.yaml');
    await sluice.settled();
    assert.deepEqual([await sluice.whoAnswers('claimed.test', '/'), await sluice.findings()], ['a', []]);
  });

  const neighbour = [{ path: '/good', service: 'b' }];
  const badPaths = {
    'an expression that is none': { path: '/(', pathType: 'ImplementationSpecific', service: 'a' },
    'an expression that RE2 lacks': { path: '/(?=x)', pathType: 'ImplementationSpecific', service: 'a' },
    'an expression that is too large': { path: '/(a{1000}){1000}', pathType: 'ImplementationSpecific', service: 'a' },
    'a path without slash': { path: 'x', pathType: 'Exact', service: 'a' },
  } as const;
  for (const [what, path] of Object.entries(badPaths)) {
    test(`${what} is left out alone`, async () => {
      sluice.write('bad.yaml', ingressManifest('bad', { rules: { 'bad.test': [path, ...neighbour], 'next.test': 'a' } }));
      await sluice.settled();
      assert.deepEqual(
        (await sluice.findings()).map((found) => found.split(' ')[0]),
        ['Ingress/bad'],
      );
      assert.deepEqual([await sluice.whoAnswers('bad.test', '/good'), await sluice.whoAnswers('next.test')], ['b', 'a']);
      assert.equal(await sluice.whoAnswers('ours.test'), 'a');
    });
  }

  test('a host that is none is left out alone', async () => {
    sluice.write('bad.yaml', ingressManifest('bad', { rules: { 'UPPER.test': 'a', 'a.*.test': 'a', '10.0.0.1': 'a', 'next.test': 'b' } }));
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), new Array(3).fill('Ingress/bad InvalidHost'));
    assert.deepEqual([await sluice.whoAnswers('upper.test'), await sluice.whoAnswers('next.test')], ['404', 'b']);
  });

  test('an annotation that is wrong does nothing', async () => {
    const annotations = { 'request-timeout': 'soon', 'force-https': 'maybe', 'tls-passthrough': 'perhaps', 'loadbalancer-mode': 'none' };
    sluice.write('bad.yaml', ingressManifest('bad', { rules: { 'bad.test': 'b' }, annotations }));
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), new Array(4).fill('Ingress/bad InvalidAnnotation'));
    assert.equal(await sluice.whoAnswers('bad.test'), 'b');
  });

  test('an object or file that cannot be read harms nobody, and what was good before stays', async () => {
    sluice.write('bad.yaml', ingressManifest('bad', { rules: { 'bad.test': 'b' } }));
    await sluice.settled();
    const wrongs = {
      'kind: [': 'InvalidYaml',
      [JSON.stringify({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'bad' }, spec: { rules: 7 } })]:
        'InvalidObject',
    };
    for (const [text, code] of Object.entries(wrongs)) {
      sluice.write('bad.yaml', text);
      await eventually(async () => {
        const codes = (await sluice.diagnostics()).map((diagnostic) => diagnostic.code);
        assert.ok(codes.includes(code) && codes.includes('LastGoodKept'), `${codes}`);
      });
      sluice.write('bad-neighbour.yaml', ingressManifest('neighbour', { rules: { [`${code.toLowerCase()}.test`]: 'a' } }));
      await sluice.settled();
      assert.deepEqual([await sluice.whoAnswers('bad.test'), await sluice.whoAnswers(`${code.toLowerCase()}.test`)], ['b', 'a']);
    }
  });
});
