import { ingressOf } from '../objects.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';

const UPSTREAM = 'default backend: An Ingress with no rules should send all requests to the default backend';
const reference = REFERENCES.defaultBackend;

/** Method, host and path of the six requests of ingress-controller-conformance; no host is that of the address. */
const EVERYTHING = [
  ['GET', 'my-host', ''],
  ['GET', 'my-host', 'sub-path'],
  ['POST', 'some-host', ''],
  ['PUT', '', 'resource'],
  ['DELETE', 'some-host', 'resource'],
  ['PATCH', 'my-host', 'resource'],
] as const;

export const DEFAULT_BACKEND: readonly Scenario[] = [
  ...EVERYTHING.map(
    ([method, host, path]): Scenario => ({
      area: 'default backend',
      name: `Without rules, ${method} ${host === '' ? 'the address' : host}/${path} goes to the default backend as it is`,
      reference,
      covers: [`${UPSTREAM} (${method} "${host}"/"${path}")`],
      run: async (world) => {
        await world.services('echo-service');
        const web = await world.ingress('default-backend', { defaultBackend: 'echo-service' });
        const sentHost = host === '' ? (await web.target()).address : host;
        const expected = { status: 200, service: 'echo-service', method, path: `/${path}`, host: sentHost, proto: 'HTTP/1.1' };
        const headers = { 'user-agent': 'Go-http-client/1.1' };
        const reply = await web.answers(`http://${sentHost}/${path}`, expected, { method, headers });
        for (const name of ['content-length', 'content-type', 'date', 'server']) {
          if (reply.headers[name] === undefined) throw new Error(`the answer has no header ${name}: ${JSON.stringify(reply.headers)}`);
        }
        if (reply.echo?.headers['user-agent'] !== 'Go-http-client/1.1') throw new Error('the pod did not receive the User-Agent');
      },
    }),
  ),
  {
    area: 'default backend',
    name: 'With rules, it takes the hosts that no rule has',
    reference,
    requests: 3,
    run: async (world) => {
      await world.services('rule', 'rest');
      const web = await world.ingress('web', { rules: { 'known.test': 'rule' }, defaultBackend: 'rest' });
      await web.answersAll({ 'http://known.test/': 'rule', 'http://unknown.test/': 'rest', 'http://known.test.example/': 'rest' });
    },
  },
  {
    area: 'default backend',
    name: 'With rules, it takes the paths of a known host that no rule has',
    reference,
    requests: 3,
    run: async (world) => {
      await world.services('rule', 'rest');
      const web = await world.ingress('web', { rules: { 'known.test': [{ path: '/a', service: 'rule' }] }, defaultBackend: 'rest' });
      await web.answersAll({ 'http://known.test/a': 'rule', 'http://known.test/b': 'rest', 'http://known.test/ab': 'rest' });
    },
  },
  {
    area: 'default backend',
    name: 'It takes all of a host whose rule has no paths',
    reference: REFERENCES.api,
    requests: 2,
    run: async (world) => {
      await world.services('rest');
      const defaultBackend = { service: { name: 'rest', port: { number: 80 } } };
      await world.apply(ingressOf('web', { defaultBackend, rules: [{ host: 'bare.test' }] }));
      const web = world.ingressNamed('web');
      await web.answersAll({ 'http://bare.test/x': 'rest', 'http://other.test/': 'rest' });
    },
  },
  {
    area: 'default backend',
    name: 'Without one, what no rule takes is answered with 404',
    reference,
    requests: 2,
    run: async (world) => {
      await world.services('rule');
      const web = await world.ingress('web', { rules: { 'known.test': [{ path: '/a', service: 'rule' }] } });
      await web.answersAll({ 'http://known.test/a': 'rule', 'http://known.test/': 404, 'http://unknown.test/a': 404 });
    },
  },
  {
    area: 'default backend',
    name: 'It can be added, changed and removed under a rule that stays',
    reference: REFERENCES.updating,
    requests: 9,
    run: async (world) => {
      await world.services('rule', 'first', 'second');
      const rules = { 'known.test': 'rule' };
      const web = await world.ingress('web', { rules });
      await web.answers('http://unknown.test/', 404);
      for (const defaultBackend of ['first', 'second']) {
        await web.update({ rules, defaultBackend });
        await web.becomes('http://unknown.test/', defaultBackend);
      }
      await web.update({ rules });
      await web.becomes('http://unknown.test/', 404);
      await web.answers('http://known.test/', 'rule');
    },
  },
  {
    area: 'default backend',
    name: 'A port by name is found',
    reference: REFERENCES.api,
    run: async (world) => {
      await world.service('named', 1, [{ name: 'http', port: 8080 }]);
      await world.apply(ingressOf('web', { defaultBackend: { service: { name: 'named', port: { name: 'http' } } } }));
      await world.ingressNamed('web').answers('http://any.test/', 'named');
    },
  },
  {
    area: 'default backend',
    name: 'A resource backend that nobody implements is an error of the server, and harms no rule',
    reference: REFERENCES.resourceBackend,
    requests: 2,
    run: async (world) => {
      await world.services('rule');
      const resource = { resource: { apiGroup: 'k8s.example.com', kind: 'StorageBucket', name: 'static' } };
      const path = (service: object, at: string) => ({ path: at, pathType: 'Prefix', backend: service });
      const rules = [
        {
          host: 'web.test',
          http: { paths: [path({ service: { name: 'rule', port: { number: 80 } } }, '/app'), path(resource, '/static')] },
        },
      ];
      await world.apply(ingressOf('web', { rules }));
      const web = world.ingressNamed('web');
      await web.answers('http://web.test/app', 'rule');
      const { status } = await web.send('http://web.test/static');
      if (status < 500) throw new Error(`the resource backend is answered with ${status}`);
    },
  },
];
