import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatPath } from '../model/index.ts';
import { DEFAULT_SETTINGS, settingsSchema } from '../settings/index.ts';
import { ingestInWorld, PORTS, usableCertificate } from '../testkit/ingress-world.ts';
import { ingressObject, type MetadataInput, serviceObject } from '../testkit/kube-objects.ts';
import type { TlsClaim } from './claims.ts';
import { assembleListener } from './listener.ts';
import { mergeTls } from './merge-tls.ts';
import { baseListeners } from './tables.ts';

const SERVICES = ['web', 'api'].map((name) => serviceObject({ ports: [{ port: 443 }] }, { name }));
const OLD = '2025-01-01T00:00:00Z';
const NEW = '2026-01-01T00:00:00Z';

function secrets(...names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [`default/${name}`, usableCertificate(`default/${name}`, [])]));
}

function terminate(metadata: MetadataInput, tls: unknown, hosts: readonly string[] = []): readonly TlsClaim[] {
  const rules = hosts.map((host) => ({ host }));
  const spec = { rules, tls, defaultBackend: { service: { name: 'web', port: { number: 443 } } } };
  return ingestInWorld(ingressObject(spec, metadata), { services: SERVICES, certificates: secrets('one', 'two', 'three') }).tls;
}

function passthrough(metadata: MetadataInput, host: string, service = 'web'): readonly TlsClaim[] {
  const backend = { service: { name: service, port: { number: 443 } } };
  const rules = [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  const annotations = { 'ingress.cilium.io/tls-passthrough': 'true' };
  return ingestInWorld(ingressObject({ rules }, { ...metadata, annotations }), { services: SERVICES }).tls;
}

/** The outcome for each server name, as the controller comes to it. */
function mergeAll(claims: readonly TlsClaim[]) {
  const merges = Array.from(Map.groupBy(claims, ({ serverName }) => serverName).values(), mergeTls);
  return { winners: merges.map(({ winner }) => winner), diagnostics: merges.flatMap(({ diagnostics }) => diagnostics) };
}

function https(claims: readonly TlsClaim[]) {
  const base = baseListeners(PORTS).filter(({ name }) => name === 'https');
  return assembleListener(base, mergeAll(claims).winners, DEFAULT_SETTINGS);
}

function chains(claims: readonly TlsClaim[]) {
  return https(claims).tlsChains.map((chain) => [chain.name, chain.kind === 'terminate' ? chain.serverNames : [chain.serverName]]);
}

function findings(claims: readonly TlsClaim[]) {
  return mergeAll(claims).diagnostics.map(({ code, object, path }) => [code, object?.name, formatPath(path)]);
}

describe('TLS claims on one server name', () => {
  const both = (a: readonly TlsClaim[], b: readonly TlsClaim[]) => [
    [...a, ...b],
    [...b, ...a],
  ];

  it('with different Secrets: the oldest decides, the other is told', () => {
    const a = terminate({ name: 'new', creationTimestamp: NEW }, [{ hosts: ['a.example'], secretName: 'two' }]);
    const b = terminate({ name: 'old', creationTimestamp: OLD }, [{ hosts: ['a.example'], secretName: 'one' }]);
    for (const claims of both(a, b)) {
      assert.deepEqual(chains(claims), [['terminate/default/one', ['a.example']]]);
      assert.deepEqual(findings(claims), [['TlsConflict', 'new', 'spec.tls[0].hosts[0]']]);
    }
  });

  it('with the same Secret are no conflict', () => {
    const claims = ['a', 'b'].flatMap((name) => terminate({ name }, [{ hosts: ['a.example'], secretName: 'one' }]));
    assert.deepEqual(findings(claims), []);
    assert.equal(https(claims).tlsChains.length, 1);
  });

  it('to terminate and to pass through: the oldest decides', () => {
    const through = passthrough({ name: 'through', creationTimestamp: NEW }, 'a.example');
    const end = terminate({ name: 'end', creationTimestamp: OLD }, [{ hosts: ['a.example'], secretName: 'one' }]);
    const older = passthrough({ name: 'through', creationTimestamp: OLD }, 'a.example');
    const newer = terminate({ name: 'end', creationTimestamp: NEW }, [{ hosts: ['a.example'], secretName: 'one' }]);
    for (const claims of both(through, end)) {
      assert.deepEqual(chains(claims), [['terminate/default/one', ['a.example']]]);
      assert.deepEqual(findings(claims), [['TlsConflict', 'through', 'spec.rules[0].http.paths[0]']]);
    }
    for (const claims of both(older, newer)) {
      assert.deepEqual(chains(claims), [['passthrough/a.example', ['a.example']]]);
      assert.deepEqual(findings(claims), [['TlsConflict', 'end', 'spec.tls[0].hosts[0]']]);
    }
  });

  it('to pass through to different backends are a conflict, to the same none', () => {
    const a = passthrough({ name: 'a' }, 'a.example', 'web');
    assert.deepEqual(findings([...a, ...passthrough({ name: 'b' }, 'a.example', 'api')]), [
      ['TlsConflict', 'b', 'spec.rules[0].http.paths[0]'],
    ]);
    assert.deepEqual(findings([...a, ...passthrough({ name: 'b' }, 'a.example', 'web')]), []);
  });

  it('within one Ingress belong to the first entry', () => {
    const tls = ['one', 'two'].map((secretName) => ({ hosts: ['a.example'], secretName }));
    const claims = terminate({ name: 'web' }, tls);
    assert.deepEqual(chains(claims), [['terminate/default/one', ['a.example']]]);
    assert.deepEqual(findings(claims), [['TlsConflict', 'web', 'spec.tls[1].hosts[0]']]);
  });

  it('of a TLS entry without hosts never replace those of a host itself (Cilium: a * listener does), however old', () => {
    const all = terminate({ name: 'all', creationTimestamp: OLD }, [{ secretName: 'one' }], ['a.example', 'b.example']);
    const own = terminate({ name: 'own', creationTimestamp: NEW }, [{ hosts: ['a.example'], secretName: 'two' }]);
    for (const claims of both(all, own)) {
      assert.deepEqual(findings(claims), []);
      assert.deepEqual(chains(claims), [
        ['terminate/default/one', ['b.example']],
        ['terminate/default/one/any', []],
        ['terminate/default/two', ['a.example']],
      ]);
    }
  });

  it('for all other connections are a conflict of their own', () => {
    const claims = [...terminate({ name: 'a' }, [{ secretName: 'one' }]), ...terminate({ name: 'b' }, [{ secretName: 'two' }])];
    assert.deepEqual(chains(claims), [['terminate/default/one/any', []]]);
    assert.deepEqual(findings(claims), [['TlsConflict', 'b', 'spec.tls[0]']]);
  });
});

describe('a listener', () => {
  it('has a chain for each Secret, also past 8 Ingresses with TLS (cilium#31749)', () => {
    const claims = Array.from({ length: 40 }, (_, index) => {
      const secretName = ['one', 'two', 'three'][index % 3];
      return terminate({ name: `i${index}` }, [{ hosts: [`h${String(index).padStart(2, '0')}.example`], secretName }]);
    }).flat();
    const { tlsChains } = https(claims);
    assert.deepEqual(
      tlsChains.map((chain) => [chain.name, chain.kind === 'terminate' && chain.serverNames.length, chain.sources.length]),
      [
        ['terminate/default/one', 14, 14],
        ['terminate/default/three', 13, 13],
        ['terminate/default/two', 13, 13],
      ],
    );
  });

  it('does not depend on the order of its claims', () => {
    const claims = [
      ...terminate({ name: 'a' }, [{ hosts: ['a.example', '*.a.example'], secretName: 'one' }, { secretName: 'two' }], ['x.example']),
      ...terminate({ name: 'b' }, [{ hosts: ['b.example', 'a.example'], secretName: 'two' }]),
      ...passthrough({ name: 'c' }, 'c.example'),
      ...passthrough({ name: 'd' }, '*.a.example'),
    ];
    const sorted = { listener: https(claims), diagnostics: findings(claims).toSorted() };
    fc.assert(
      fc.property(fc.shuffledSubarray([...claims], { minLength: claims.length }), (shuffled) => {
        assert.deepEqual({ listener: https(shuffled), diagnostics: findings(shuffled).toSorted() }, sorted);
      }),
    );
  });

  it('takes its HTTP options from the settings', () => {
    const settings = settingsSchema.parse({
      http: {
        proxyProtocol: true,
        useRemoteAddress: false,
        xffTrustedHops: 2,
        streamIdleTimeout: '1m',
        pathNormalization: 'base',
        headersWithUnderscores: 'drop',
        accessLog: 'json',
      },
    });
    const [http] = baseListeners(PORTS);
    assert(http !== undefined);
    assert.deepEqual(assembleListener([http], [], settings), {
      name: 'http',
      address: '0.0.0.0',
      port: 8080,
      plaintextTable: 'listener-insecure',
      tlsChains: [],
      http: {
        proxyProtocol: true,
        useRemoteAddress: false,
        xffTrustedHops: 2,
        streamIdleTimeoutMs: 60_000,
        pathNormalization: 'base',
        headersWithUnderscores: 'drop',
        accessLog: 'json',
      },
      sources: [],
    });
  });

  it('may be shared by Ingresses with one host-listener-port', () => {
    const annotations = { 'ingress.cilium.io/host-listener-port': '9000' };
    const spec = { defaultBackend: { service: { name: 'web', port: { number: 443 } } } };
    const claims = ['b', 'a'].flatMap(
      (name) => ingestInWorld(ingressObject(spec, { name, annotations }), { services: SERVICES }).listeners,
    );
    const listener = assembleListener(claims, [], DEFAULT_SETTINGS);
    assert.equal(listener.plaintextTable, 'host-port-9000-insecure');
    assert.deepEqual(
      listener.sources.map(({ object }) => object.name),
      ['a', 'b'],
    );
    assert.deepEqual(assembleListener(claims.toReversed(), [], DEFAULT_SETTINGS), listener);
  });
});

it('keeps the server name of a passthrough whose Service is missing, so that no wildcard of others decrypts it', () => {
  const [claim] = passthrough({ name: 'through' }, 'a.example', 'missing');
  assert.equal(claim?.serverName, 'a.example');
  const wildcard = terminate({ name: 'wild' }, [{ hosts: ['*.example'], secretName: 'one' }]);
  const { tlsChains } = https([...wildcard, ...passthrough({ name: 'through' }, 'a.example', 'missing')]);
  const chain = tlsChains.find(({ kind }) => kind === 'passthrough');
  assert.deepEqual(chain?.kind === 'passthrough' && { serverName: chain.serverName, cluster: chain.cluster }, {
    serverName: 'a.example',
    cluster: undefined,
  });
});
