import { X509Certificate } from 'node:crypto';
import { makeCertificate } from '../../../testkit/make-certificate.ts';
import { secretManifest } from '../../../testkit/manifest-objects.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';

const area = 'tls';
const reference = REFERENCES.tls;

export const TLS: readonly Scenario[] = [
  {
    area,
    name: 'Each host has the certificate of its Secret',
    reference,
    requests: 4,
    run: async (world) => {
      await world.services('a', 'b');
      const [a, b] = [await world.certificate('a-tls', 'a.test'), await world.certificate('b-tls', 'b.test')];
      const web = await world.ingress('web', {
        rules: { 'a.test': 'a', 'b.test': 'b' },
        tls: { 'a-tls': ['a.test'], 'b-tls': ['b.test'] },
      });
      await web.answers('https://a.test/', 'a', { ca: a.certificate });
      await web.answers('https://b.test/', 'b', { ca: b.certificate });
      await web.refuses('https://a.test/', { ca: b.certificate });
      await web.refuses('https://b.test/', { ca: a.certificate });
    },
  },
  {
    area,
    name: 'One certificate for several hosts serves each of them',
    reference,
    requests: 2,
    run: async (world) => {
      await world.services('a', 'b');
      const { certificate: ca } = await world.certificate('both-tls', 'a.test', 'b.test');
      const web = await world.ingress('web', { rules: { 'a.test': 'a', 'b.test': 'b' }, tls: { 'both-tls': ['a.test', 'b.test'] } });
      await web.answers('https://a.test/', 'a', { ca });
      await web.answers('https://b.test/', 'b', { ca });
    },
  },
  {
    area,
    name: 'A wildcard certificate serves the hosts of a wildcard rule',
    reference,
    requests: 3,
    run: async (world) => {
      await world.services('wild');
      const { certificate: ca } = await world.certificate('wild-tls', '*.wild.test');
      const web = await world.ingress('web', { rules: { '*.wild.test': 'wild' }, tls: { 'wild-tls': ['*.wild.test'] } });
      await web.answers('https://a.wild.test/', 'wild', { ca });
      await web.answers('https://b.wild.test/', 'wild', { ca });
      await web.refuses('https://a.b.wild.test/', { ca });
    },
  },
  {
    area,
    name: 'The certificate of an exact host goes before that of a wildcard',
    reference,
    requests: 2,
    run: async (world) => {
      await world.services('exact', 'wild');
      await world.certificate('wild-tls', '*.one.test');
      await world.certificate('exact-tls', 'a.one.test');
      const tls = { 'wild-tls': ['*.one.test'], 'exact-tls': ['a.one.test'] };
      const web = await world.ingress('web', { rules: { '*.one.test': 'wild', 'a.one.test': 'exact' }, tls });
      const names = [await web.certificateNames('a.one.test'), await web.certificateNames('b.one.test')];
      if (names.join() !== 'DNS:a.one.test,DNS:*.one.test') throw new Error(`the certificates are for ${names.join(' and ')}`);
    },
  },
  {
    area,
    name: 'Upper and lower case of a server name do not matter',
    reference: 'https://www.rfc-editor.org/rfc/rfc6066#section-3',
    run: async (world) => {
      await world.services('a');
      const { certificate: ca } = await world.certificate('a-tls', 'a.test');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' }, tls: { 'a-tls': ['a.test'] } });
      await web.answers('https://A.Test/', 'a', { ca });
    },
  },
  {
    area,
    name: 'A changed Secret is the next certificate, without a failed request',
    reference,
    requests: 23,
    run: async (world) => {
      await world.services('a');
      await world.certificate('a-tls', 'a.test');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' }, tls: { 'a-tls': ['a.test'] } });
      const next = makeCertificate({ names: ['a.test'], commonName: 'a.test' });
      await web.answers('https://a.test/', 'a');
      await world.apply(secretManifest('a-tls', next));
      const { fingerprint256 } = new X509Certificate(next.certificate);
      await web.becomesCertified('a.test', fingerprint256, 'a');
      for (let index = 0; index < 10; index += 1) await web.answers('https://a.test/', 'a', { ca: next.certificate });
    },
  },
  {
    area,
    name: 'A Secret that is missing harms no other host, and serves as soon as it is there',
    reference,
    requests: 6,
    run: async (world) => {
      await world.services('a', 'b');
      const { certificate: ca } = await world.certificate('a-tls', 'a.test');
      const web = await world.ingress('web', {
        rules: { 'a.test': 'a', 'b.test': 'b' },
        tls: { 'a-tls': ['a.test'], 'b-tls': ['b.test'] },
      });
      await web.answers('https://a.test/', 'a', { ca });
      await web.refuses('https://b.test/');
      const b = await world.certificate('b-tls', 'b.test');
      await web.becomes('https://b.test/', 'b', { ca: b.certificate });
      await web.answers('https://a.test/', 'a', { ca });
    },
  },
  {
    area,
    name: 'A Secret without a usable certificate harms no other host',
    reference,
    requests: 2,
    run: async (world) => {
      await world.services('a', 'b');
      const { certificate: ca } = await world.certificate('a-tls', 'a.test');
      await world.apply(secretManifest('b-tls', { certificate: 'not a certificate', privateKey: 'not a key' }));
      const web = await world.ingress('web', {
        rules: { 'a.test': 'a', 'b.test': 'b' },
        tls: { 'a-tls': ['a.test'], 'b-tls': ['b.test'] },
      });
      await web.answers('https://a.test/', 'a', { ca });
      await web.refuses('https://b.test/');
    },
  },
  {
    area,
    name: 'A server name that no Secret is for is refused',
    reference,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      await world.certificate('a-tls', 'a.test');
      const web = await world.ingress('web', { rules: { 'a.test': 'a', 'b.test': 'a' }, tls: { 'a-tls': ['a.test'] } });
      await web.answers('https://a.test/', 'a');
      await web.refuses('https://b.test/');
    },
  },
  {
    area,
    name: 'A TLS entry without hosts is for every server name, and for none',
    reference: REFERENCES.api,
    requests: 2,
    run: async (world) => {
      await world.services('a');
      await world.certificate('any-tls', 'any.test');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' }, tls: { 'any-tls': [] } });
      await web.answers('https://a.test/', 'a');
      await web.answers('https://a.test/', 'a', { serverName: '' });
    },
  },
  {
    area,
    name: 'By default a host with TLS is redirected from http:// to the same URL, and one without is not',
    reference: REFERENCES.annotations,
    requests: 3,
    run: async (world) => {
      await world.services('a', 'b');
      await world.certificate('a-tls', 'a.test');
      const web = await world.ingress('web', { rules: { 'a.test': 'a', 'b.test': 'b' }, tls: { 'a-tls': ['a.test'] } });
      await web.answers('http://a.test/path?x=1', { status: 308, service: null, location: await web.secureUrl('a.test', '/path?x=1') });
      await web.answers('http://b.test/path?x=1', { status: 200, service: 'b', path: '/path?x=1' });
      await web.answers('https://a.test/path?x=1', { status: 200, service: 'a', path: '/path?x=1' });
    },
  },
  {
    area,
    name: 'force-https of one Ingress leaves the hosts of another alone',
    reference: REFERENCES.annotations,
    requests: 3,
    run: async (world) => {
      await world.services('a', 'b');
      const [a, b] = [world.host('a'), world.host('b')];
      await world.certificate('a-tls', a);
      await world.certificate('b-tls', b);
      const shared = { 'loadbalancer-mode': 'shared' };
      await world.ingress('free', { annotations: { ...shared, 'force-https': 'disabled' }, rules: { [a]: 'a' }, tls: { 'a-tls': [a] } });
      const web = await world.ingress('forced', {
        annotations: { ...shared, 'force-https': 'enabled' },
        rules: { [b]: 'b' },
        tls: { 'b-tls': [b] },
      });
      await web.becomes(`http://${a}/`, 'a');
      await web.answers(`http://${b}/`, { status: 308, location: await web.secureUrl(b, '/') });
      await web.answers(`https://${a}/`, 'a');
    },
  },
  {
    area,
    name: 'tls-passthrough gives the connection to the backend as it is',
    reference: REFERENCES.annotations,
    requests: 2,
    run: async (world) => {
      const host = world.host('through');
      const { certificate, privateKey } = makeCertificate({ names: [host], commonName: host });
      await world.ownService('through', { protocol: 'https', tls: { cert: certificate, key: privateKey } });
      const web = await world.ingress('web', { annotations: { 'tls-passthrough': 'enabled' }, rules: { [host]: 'through' } });
      await web.answers(`https://${host}/`, 'through', { ca: certificate });
      await web.refuses('https://elsewhere.test/');
    },
  },
  {
    area,
    name: 'Twelve Ingresses with certificates of their own live on one address',
    reference: REFERENCES.annotations,
    requests: 12,
    run: async (world) => {
      await world.services('a');
      const hosts = Array.from({ length: 12 }, (_, index) => world.host(`h${index}`));
      const annotations = { 'loadbalancer-mode': 'shared' };
      for (const [index, host] of hosts.entries()) {
        await world.certificate(`tls-${index}`, host);
        await world.unawaitedIngress(`web-${index}`, { annotations, rules: { [host]: 'a' }, tls: { [`tls-${index}`]: [host] } });
      }
      const last = world.ingressNamed(`web-${hosts.length - 1}`);
      for (const host of hosts) await last.becomes(`https://${host}/`, 'a');
    },
  },
];
