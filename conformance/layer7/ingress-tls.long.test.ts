import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { HOLDER, HTTP_PORT, HTTPS_PORT, hostOf, ofIngress, servedAt } from './served-by-ingress.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const DENIED = [403, 'Access denied\r\n'];
/** What a client without a permission gets: nothing. */
const NOTHING = 'timeout';
/** What a rule on server names, or one on requests that cannot be asked, does. */
const CLOSED = 'ECONNRESET';
const PASSTHROUGH = { 'ingress.cilium.io/tls-passthrough': 'enabled' };
const PODS = [
  { name: 'web', node: 'node-2', labels: { app: 'web' } },
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'stranger', node: 'node-2', labels: { app: 'stranger' } },
  { name: 'holder-1', node: 'node-1', ...HOLDER },
  { name: 'holder-2', node: 'node-2', ...HOLDER },
] as const;
const PROTOCOLS = ['http1', 'http2'] as const;
const BY_HTTP = [HTTP_PORT];
const BY_HTTPS = [HTTPS_PORT];
const IN = { rules: { http: [{ path: '/in' }] } };
const OUT = { rules: { http: [{ path: '/out' }] } };

/** Rules of a policy that lets pods of an application come to Ingresses by some ports, each for what layer 7 says. */
function from(app: string, ...toPorts: readonly (readonly [ports: readonly number[], layer7?: Manifest])[]): Manifest {
  const endpoints = { matchLabels: { 'k8s:app': app, 'k8s:io.kubernetes.pod.namespace': 'default' } };
  const all = toPorts.map(([ports, layer7]) => ({ ports: ports.map((port) => ({ port: String(port), protocol: 'TCP' })), ...layer7 }));
  return { fromEndpoints: [endpoints], toPorts: all };
}

function secret(name: string, hosts: readonly string[]): Manifest {
  const { certificate, privateKey } = makeCertificate({ names: hosts });
  const stringData = { 'tls.crt': certificate, 'tls.key': privateKey };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'kubernetes.io/tls', stringData };
}

function denialOf(outcome: HttpOutcome): readonly unknown[] {
  return 'body' in outcome ? [outcome.status, outcome.body] : [outcome.failed];
}

describe('Rules of layer 7 for what clients ask of Ingresses by TLS', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS, address: '::' }));
    await lab.peer('web').serve();
    await lab.peer('web').serveTls(makeCertificate({ names: FAMILIES.map((family) => hostOf('sealed', family)) }));
    const { addresses } = lab.lab.pod('web');
    lab.write('ingresses', [
      ...servedAt('plain', addresses, 80),
      ...['shop', 'bank'].flatMap((server) => [
        secret(
          server,
          FAMILIES.map((family) => hostOf(server, family)),
        ),
        ...servedAt(server, addresses, 80, { secretName: server }),
      ]),
      ...servedAt('sealed', addresses, 443, { annotations: PASSTHROUGH }),
    ]);
    for (const family of FAMILIES) {
      await eventually(async () => assert.equal(wordOf(await askPlain('client', family)), '200'));
      for (const server of ['shop', 'bank', 'sealed'])
        await eventually(async () => assert.equal(wordOf(await askTls('client', family, server)), '200'));
    }
  });
  after(() => cleanUp.disposeAsync());

  /** By the Ingress of `node-1`. */
  const ask = (client: string, family: Family, server: string, rest: Partial<HttpAsk>): Promise<HttpOutcome> => {
    const to = lab.lab.node('node-1').plan.addresses[family];
    return lab.peer(client).ask({ to, headers: { host: hostOf(server, family) }, path: '/in', ...rest });
  };
  const askPlain = (client: string, family: Family, rest: Partial<HttpAsk> = {}) =>
    ask(client, family, 'plain', { port: HTTP_PORT, ...rest });
  const askTls = (client: string, family: Family, server: string, rest: Partial<HttpAsk> = {}) =>
    ask(client, family, server, { port: HTTPS_PORT, tls: { serverName: hostOf(server, family) }, ...rest });

  for (const family of FAMILIES) {
    for (const protocol of PROTOCOLS) {
      test(`about requests hold, ${protocol}, ${family}`, async () => {
        await lab.set('policies', [ofIngress({ ingress: [from('client', [BY_HTTPS, IN])] })]);
        assert.equal(seenBy(await askTls('client', family, 'shop', { protocol })).from, lab.lab.pod('holder-1').addresses[family]);
        assert.equal(wordOf(await askTls('client', family, 'bank', { protocol })), '200');
        assert.deepEqual(denialOf(await askTls('client', family, 'shop', { protocol, path: '/out' })), DENIED);
        assert.equal(wordOf(await askTls('stranger', family, 'shop', { protocol })), NOTHING);
      });
    }

    test(`are those of the port that is asked, ${family}`, async () => {
      const words = async (path: string) => [
        wordOf(await askPlain('client', family, { path })),
        wordOf(await askTls('client', family, 'shop', { path })),
      ];
      await lab.set('policies', [ofIngress({ ingress: [from('client', [BY_HTTPS, IN])] })]);
      assert.deepEqual(await words('/in'), [NOTHING, '200']);
      await lab.set('policies', [ofIngress({ ingress: [from('client', [BY_HTTPS, IN], [BY_HTTP, OUT])] })]);
      assert.deepEqual(
        [await words('/in'), await words('/out')],
        [
          ['403', '200'],
          ['200', '403'],
        ],
      );
      await lab.set('policies', [ofIngress({ ingress: [from('client', [[HTTP_PORT, HTTPS_PORT], IN])] })]);
      assert.deepEqual(
        [await words('/in'), await words('/out')],
        [
          ['200', '200'],
          ['403', '403'],
        ],
      );
    });

    test(`about server names hold where TLS ends and where it is passed on, ${family}`, async () => {
      const words = () =>
        Promise.all(['shop', 'bank', 'sealed'].map(async (server) => wordOf(await askTls('client', family, server, { path: '/out' }))));
      for (const [server, expected] of [
        ['shop', ['200', CLOSED, CLOSED]],
        ['sealed', [CLOSED, CLOSED, '200']],
      ] as const) {
        const serverNames = FAMILIES.map((each) => hostOf(server, each));
        await lab.set('policies', [ofIngress({ ingress: [from('client', [[HTTP_PORT, HTTPS_PORT], { serverNames }])] })]);
        assert.deepEqual(await words(), expected);
        assert.equal(wordOf(await askPlain('client', family)), CLOSED, 'who names no server');
        assert.equal(wordOf(await askTls('stranger', family, server)), NOTHING);
      }
    });

    test(`about server names are asked before anything is passed on, ${family}`, async () => {
      const accepted = () => lab.peer('web').accepted(443);
      const serverNames = [hostOf('shop', family)];
      await lab.set('policies', [ofIngress({ ingress: [from('client', [BY_HTTPS, { serverNames }])] })]);
      const before = await accepted();
      assert.equal(wordOf(await askTls('client', family, 'sealed')), CLOSED);
      assert.equal(await accepted(), before);
    });

    test(`about requests let by nothing that is passed on as it is, ${family}`, async () => {
      const sealed = async () => wordOf(await askTls('client', family, 'sealed'));
      await lab.set('policies', [ofIngress({ ingress: [from('client', [BY_HTTPS, IN])] })]);
      assert.equal(await sealed(), CLOSED);
      await lab.set('policies', [ofIngress({ ingress: [from('client', [BY_HTTPS])] })]);
      assert.equal(await sealed(), '200');
      await lab.set('policies', [ofIngress({ ingress: [from('client', [BY_HTTPS, IN], [BY_HTTPS])] })]);
      assert.equal(await sealed(), '200', 'beside a rule that needs no layer 7');
    });
  }
});
