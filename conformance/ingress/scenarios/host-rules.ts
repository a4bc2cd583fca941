import { ingressOf } from '../objects.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';
import type { ServedIngress } from '../served-ingress.ts';
import type { World } from '../world.ts';

const area = 'host rules';

/** The Ingress of ingress-controller-conformance's host rules: one exact host with TLS, one wildcard without. */
async function hostRules(world: World): Promise<ServedIngress> {
  await world.service('wildcard-foo-com', 1, [{ port: 8080 }]);
  await world.service('foo-bar-com', 1, [{ name: 'http', port: 8080 }]);
  await world.certificate('conformance-tls', 'foo.bar.com');
  return await world.ingress('host-rules', {
    tls: { 'conformance-tls': ['foo.bar.com'] },
    rules: {
      '*.foo.com': [{ service: 'wildcard-foo-com', port: 8080 }],
      'foo.bar.com': [{ service: 'foo-bar-com', port: 'http' }],
    },
  });
}

const covers = (what: string) => [`host rules: ${what}`];

export const HOST_RULES: readonly Scenario[] = [
  {
    area,
    name: 'A host is served over TLS with its certificate',
    reference: REFERENCES.tls,
    covers: covers('An Ingress with a host rule should send TLS traffic to the matching backend service'),
    requests: 2,
    run: async (world) => {
      const web = await hostRules(world);
      await web.answers('https://foo.bar.com', { status: 200, service: 'foo-bar-com', host: 'foo.bar.com' });
      const names = await web.certificateNames('foo.bar.com');
      if (names !== 'DNS:foo.bar.com') throw new Error(`the certificate is for ${names}`);
    },
  },
  {
    area,
    name: 'A host with TLS is reached from http:// too, by a redirect at most',
    reference: REFERENCES.rules,
    covers: covers('An Ingress with a host rule should send traffic to the matching backend service'),
    run: async (world) => {
      const web = await hostRules(world);
      const first = await web.send('http://foo.bar.com');
      // As the other suite follows it: to the same address, by the host of the redirect.
      const { protocol, hostname, pathname } = new URL(first.headers.location ?? 'http://foo.bar.com/');
      await web.answers(`${protocol}//${hostname}${pathname}`, { status: 200, service: 'foo-bar-com', host: 'foo.bar.com' });
    },
  },
  {
    area,
    name: 'A host that no rule has is answered with 404, not with a redirect',
    reference: REFERENCES.rules,
    covers: covers('An Ingress with a host rule should not route traffic when hostname does not match'),
    run: async (world) => void (await (await hostRules(world)).answers('http://subdomain.bar.com', 404)),
  },
  {
    area,
    name: 'A wildcard takes one label',
    reference: REFERENCES.wildcards,
    covers: covers('An Ingress with a wildcard host rule should send traffic to the matching backend service'),
    run: async (world) => {
      const web = await hostRules(world);
      await web.answers('http://bar.foo.com', { status: 200, service: 'wildcard-foo-com', host: 'bar.foo.com' });
    },
  },
  {
    area,
    name: 'A wildcard does not take two labels',
    reference: REFERENCES.wildcards,
    covers: covers('An Ingress with a wildcard host rule should not route traffic matching on more than a single dns label'),
    run: async (world) => void (await (await hostRules(world)).answers('http://baz.bar.foo.com', 404)),
  },
  {
    area,
    name: 'A wildcard does not take no label',
    reference: REFERENCES.wildcards,
    covers: covers('An Ingress with a wildcard host rule should not route traffic matching no dns label'),
    run: async (world) => void (await (await hostRules(world)).answers('http://foo.com', 404)),
  },
  {
    area,
    name: 'An exact host goes before a wildcard that has it, path by path',
    reference: REFERENCES.wildcards,
    requests: 4,
    run: async (world) => {
      await world.services('exact', 'wild');
      const rules = { '*.one.test': 'wild', 'a.one.test': [{ path: '/exact', service: 'exact' }] };
      const web = await world.ingress('web', { rules });
      await web.answersAll({
        'http://a.one.test/exact': 'exact',
        'http://b.one.test/exact': 'wild',
        'http://a.one.test/exact/more': 'exact',
      });
      await web.answers('http://b.one.test/', 'wild');
    },
  },
  {
    area,
    name: 'A wildcard below a wildcard takes its own label only',
    reference: REFERENCES.wildcards,
    requests: 3,
    run: async (world) => {
      await world.services('outer', 'inner');
      const web = await world.ingress('web', { rules: { '*.one.test': 'outer', '*.two.one.test': 'inner' } });
      await web.answersAll({ 'http://two.one.test/': 'outer', 'http://a.two.one.test/': 'inner', 'http://a.b.two.one.test/': 404 });
    },
  },
  {
    area,
    name: 'A port in the Host header does not matter',
    reference: REFERENCES.api,
    requests: 4,
    run: async (world) => {
      await world.services('a', 'wild');
      const web = await world.ingress('web', { rules: { 'a.test': 'a', '*.wild.test': 'wild' } });
      await web.answersAll({
        'http://a.test:80/': 'a',
        'http://a.test:8080/': 'a',
        'http://x.wild.test:443/': 'wild',
        'http://b.test:80/': 404,
      });
    },
  },
  {
    area,
    name: 'Upper and lower case of a host do not matter, and the pod receives it as it was sent',
    reference: 'https://www.rfc-editor.org/rfc/rfc9110#section-4.2.3',
    requests: 3,
    run: async (world) => {
      await world.services('a', 'wild');
      const web = await world.ingress('web', { rules: { 'a.test': 'a', '*.wild.test': 'wild' } });
      await web.answersAll({
        'http://A.Test/': { service: 'a', status: 200, host: 'A.Test' },
        'http://X.WILD.test/': 'wild',
        'http://a.TEST:81/': 'a',
      });
    },
  },
  {
    area,
    name: 'A rule without host takes every host',
    reference: REFERENCES.rules,
    requests: 3,
    run: async (world) => {
      await world.services('every', 'one');
      const web = await world.ingress('web', {
        rules: { '': [{ path: '/every', service: 'every' }], 'one.test': [{ path: '/one', service: 'one' }] },
      });
      const { address } = await web.target();
      await web.answersAll({
        'http://any.test/every': 'every',
        [`http://${address}/every`]: 'every',
        'http://one.test/one': 'one',
        'http://any.test/one': 404,
      });
    },
  },
  {
    area,
    name: 'Name-based virtual hosts on one address are told apart',
    reference: REFERENCES.virtualHosts,
    requests: 4,
    run: async (world) => {
      await world.services('first', 'second', 'third');
      const web = await world.ingress('web', { rules: { 'first.bar.com': 'first', 'second.bar.com': 'second', '': 'third' } });
      await web.answersAll({
        'http://first.bar.com/': 'first',
        'http://second.bar.com/x': 'second',
        'http://third.bar.com/': 'third',
        'http://bar.com/': 'third',
      });
    },
  },
  {
    area,
    name: 'One host in two rules of an Ingress has the paths of both',
    reference: REFERENCES.api,
    requests: 2,
    run: async (world) => {
      await world.services('a', 'b');
      const rule = (path: string, name: string) => ({
        host: 'twice.test',
        http: { paths: [{ path, pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } }] },
      });
      await world.apply(ingressOf('web', { rules: [rule('/a', 'a'), rule('/b', 'b')] }));
      await world.ingressNamed('web').answersAll({ 'http://twice.test/a': 'a', 'http://twice.test/b': 'b' });
    },
  },
  {
    area,
    name: 'Two shared Ingresses of a namespace add their paths to one host',
    reference: REFERENCES.fanout,
    requests: 3,
    run: async (world) => {
      await world.services('a', 'b');
      const host = world.host('both');
      const annotations = { 'loadbalancer-mode': 'shared' };
      const first = await world.ingress('first', { annotations, rules: { [host]: [{ path: '/a', service: 'a' }] } });
      await world.ingress('second', { annotations, rules: { [host]: [{ path: '/b', service: 'b' }] } });
      await first.becomes(`http://${host}/b`, 'b');
      await first.answersAll({ [`http://${host}/a`]: 'a', [`http://${host}/c`]: 404 });
    },
  },
  {
    area,
    name: 'Two shared Ingresses of different namespaces add their paths to one host, each to Services of its own',
    reference: REFERENCES.fanout,
    requests: 2,
    run: async (world) => {
      const other = await world.beside('other');
      await Promise.all([world.services('same'), other.services('same')]);
      const host = world.host('both');
      const annotations = { 'loadbalancer-mode': 'shared' };
      const first = await world.ingress('web', { annotations, rules: { [host]: [{ path: '/a', service: 'same' }] } });
      await other.ingress('web', { annotations, rules: { [host]: [{ path: '/b', service: 'same' }] } });
      await first.becomes(`http://${host}/b`, { status: 200, namespace: other.namespace });
      await first.answers(`http://${host}/a`, { status: 200, namespace: world.namespace });
    },
  },
  {
    area,
    name: 'Of two shared Ingresses with one host and path, the older is served until it goes',
    reference: REFERENCES.api,
    requests: 4,
    run: async (world) => {
      await world.services('old', 'new');
      const host = world.host('one');
      const annotations = { 'loadbalancer-mode': 'shared' };
      const old = await world.ingress('old', { annotations, creationTimestamp: '2020-01-01T00:00:00Z', rules: { [host]: 'old' } });
      await old.answers(`http://${host}/`, 'old');
      // So that it is younger by the clock of the API server, which counts seconds.
      await world.untilNextSecond();
      const young = await world.ingress('new', {
        annotations,
        creationTimestamp: '2024-01-01T00:00:00Z',
        rules: { [host]: 'new', [world.host('two')]: 'new' },
      });
      await young.becomes(`http://${world.host('two')}/`, 'new');
      await young.answers(`http://${host}/`, 'old');
      await old.remove();
      await young.becomes(`http://${host}/`, 'new');
    },
  },
];
