import { serviceManifest } from '../../../testkit/manifest-objects.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';

const area = 'services';

export const SERVICES: readonly Scenario[] = [
  {
    area,
    name: 'Ports are chosen by number and by name, each with its own target',
    reference: REFERENCES.ports,
    requests: 3,
    run: async (world) => {
      await world.service('two', 1, [
        { name: 'http', port: 80 },
        { name: 'other', port: 9000 },
      ]);
      const paths = [
        { path: '/number', service: 'two', port: 9000 },
        { path: '/name', service: 'two', port: 'other' },
        { path: '/first', service: 'two', port: 80 },
      ];
      const web = await world.ingress('web', { rules: { 'ports.test': paths } });
      await web.answersAll({ 'http://ports.test/number': 'two', 'http://ports.test/name': 'two', 'http://ports.test/first': 'two' });
    },
  },
  {
    area,
    name: 'A target port by name is that of the container',
    reference: REFERENCES.namedPorts,
    run: async (world) => {
      await world.service('named', 1, [{ port: 80, targetPort: 'web' }]);
      const web = await world.ingress('web', { rules: { 'named.test': 'named' } });
      await web.answers('http://named.test/', 'named');
    },
  },
  {
    area,
    name: 'A Service that does not exist is an error of the server, and its neighbours are served',
    reference: REFERENCES.rules,
    requests: 2,
    run: async (world) => {
      await world.services('there');
      const web = await world.ingress('web', { rules: { 'missing.test': 'missing', 'there.test': 'there' } });
      await web.answers('http://there.test/', 'there');
      const { status } = await web.send('http://missing.test/');
      if (status < 500) throw new Error(`a Service that does not exist is answered with ${status}`);
    },
  },
  {
    area,
    name: 'A Service that is made after its Ingress is served then',
    reference: REFERENCES.rules,
    requests: 3,
    run: async (world) => {
      await world.services('there');
      const web = await world.ingress('web', { rules: { 'late.test': 'late', 'there.test': 'there' } });
      await web.answers('http://there.test/', 'there');
      await world.services('late');
      await web.becomes('http://late.test/', 'late');
    },
  },
  {
    area,
    name: 'A port that the Service does not have is an error of the server, until it has it',
    reference: REFERENCES.rules,
    requests: 5,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'port.test': [{ service: 'a', port: 8081 }], 'a.test': 'a' } });
      await web.answers('http://a.test/', 'a');
      const { status } = await web.send('http://port.test/');
      if (status < 500) throw new Error(`a port that does not exist is answered with ${status}`);
      const ports = [
        { name: 'http', port: 80 },
        { name: 'more', port: 8081 },
      ];
      await world.service('a', 1, ports);
      await web.becomes('http://port.test/', 'a');
    },
  },
  {
    area,
    name: 'A headless Service is as good as another',
    reference: REFERENCES.headless,
    requests: 10,
    run: async (world) => {
      await world.service('headless', 2, [{ port: 3000 }], { clusterIP: 'None' });
      const web = await world.ingress('web', { rules: { 'headless.test': [{ service: 'headless', port: 3000 }] } });
      await web.shares('http://headless.test/', 'headless', 10);
    },
  },
  {
    area,
    name: 'A Service without selector is served by its EndpointSlices',
    reference: 'https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors',
    run: async (world) => {
      await world.ownService('own');
      const web = await world.ingress('web', { rules: { 'own.test': 'own' } });
      await web.answers('http://own.test/', 'own');
    },
  },
  {
    area,
    name: 'An ExternalName that is an address or this machine is refused, and its neighbours are served',
    reference: REFERENCES.externalName,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      await world.apply(serviceManifest('outside', [{ port: 80 }], { type: 'ExternalName', externalName: 'localhost' }));
      const web = await world.ingress('web', { rules: { 'outside.test': 'outside', 'a.test': 'a' } });
      await web.answers('http://a.test/', 'a');
      const { status } = await web.send('http://outside.test/');
      if (status < 500) throw new Error(`localhost is answered with ${status}`);
    },
  },
  {
    area,
    name: 'An Ingress reaches no Service of another namespace',
    reference: REFERENCES.api,
    requests: 2,
    run: async (world) => {
      const other = await world.beside('other');
      await Promise.all([world.services('a'), other.services('theirs')]);
      const web = await world.ingress('web', { rules: { 'a.test': 'a', 'theirs.test': 'theirs' } });
      await web.answers('http://a.test/', 'a');
      const { status } = await web.send('http://theirs.test/');
      if (status < 500) throw new Error(`a Service of another namespace is answered with ${status}`);
    },
  },
  {
    area,
    name: 'Session affinity of a Service keeps a client on one pod',
    reference: 'https://kubernetes.io/docs/reference/networking/virtual-ips/#session-affinity',
    requests: 30,
    run: async (world) => {
      await world.service('sticky', 3, [{ port: 80 }], { sessionAffinity: 'ClientIP' });
      // Otherwise a client has the address of whichever node its connection came by.
      const annotations = { 'service-external-traffic-policy': 'Local' };
      const web = await world.ingress('web', { rules: { 'sticky.test': 'sticky' }, annotations });
      const shares = await web.shares('http://sticky.test/', 'sticky', 30);
      if (shares.size !== 1) throw new Error(`${shares.size} pods answered one client`);
    },
  },
];
