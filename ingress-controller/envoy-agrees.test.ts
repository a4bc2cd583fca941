import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { countInstructions, estimateProgramSize, regexProblem } from '../regex/index.ts';
import { envoyBinary } from '../testkit/envoy-binary.ts';
import { secretObject } from '../testkit/kube-objects.ts';
import { ellipticKeys, makeCertificate } from '../testkit/make-certificate.ts';
import { ingestCertificate } from './certificate.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-envoy-agrees-'));
after(() => rmSync(folder, { recursive: true }));

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** What Envoy says against a configuration; empty if nothing. */
function envoyObjection(configuration: unknown): string {
  const file = join(folder, 'envoy.json');
  writeFileSync(file, JSON.stringify(configuration));
  const { status, stderr } = spawnSync(envoyBinary(), ['--mode', 'validate', '-c', file, '-l', 'error', '--disable-hot-restart'], {
    encoding: 'utf8',
  });
  return status === 0 ? '' : stderr;
}

function listener(filterChain: unknown) {
  return { name: 'l', address: { pipe: { path: join(folder, 'l.sock') } }, filter_chains: [filterChain] };
}

function routed(patterns: readonly string[], maxProgramSize: number): unknown {
  const routes = patterns.map((regex) => ({ match: { safe_regex: { regex } }, direct_response: { status: 200 } }));
  const manager = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'x',
    route_config: { virtual_hosts: [{ name: 'v', domains: ['*'], routes }] },
    http_filters: [{ name: 'router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } }],
  };
  return {
    layered_runtime: { layers: [{ name: 's', static_layer: { 're2.max_program_size.error_level': maxProgramSize } }] },
    static_resources: { listeners: [listener({ filters: [{ name: 'http', typed_config: manager }] })] },
  };
}

function terminated(chain: string, key: string): unknown {
  const certificate = { certificate_chain: { inline_string: chain }, private_key: { inline_string: key } };
  const tls = {
    '@type': `${EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: { tls_certificates: [certificate] },
  };
  const proxy = { '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'x', cluster: 'c' };
  const filterChain = { transport_socket: { name: 'tls', typed_config: tls }, filters: [{ name: 'tcp', typed_config: proxy }] };
  return { static_resources: { listeners: [listener(filterChain)], clusters: [{ name: 'c' }] } };
}

describe('Envoy agrees', () => {
  const patterns = [
    ...['/', '/.*', '/[a-z]+/x', '/é.*', '/(?i)foo', '/.{100}', '/(.{100}){5}', '/\\w+', '/\\W+\\D\\S', '/\\pL+', '/\\pL{50}', '/[^/]+/y'],
    ...[
      '/(?P<n>a)',
      '/(?<n>a)',
      '/\\Qa.b\\E',
      '/[[:alpha:]]+',
      '/[[:^word:]]',
      '/(?s).*',
      '/\\x{7f}',
      '/[\\x80-\\xff]',
      '/[\\d-z]',
      '/\\z',
      '/\\bx',
    ],
    ...[
      '/(?U)a+',
      '/\\p{Latin}',
      '/\\p{^L}',
      '/\\PN',
      '/[]a]',
      '/{',
      '/a{,2}',
      '/a{2',
      '/a{0,1000}',
      '/(a|b|c)*?d',
      '/(?i-s:a)',
      '/(?i)\\pL{20}',
    ],
  ];
  const sizes = new Map(patterns.map((pattern) => [pattern, countInstructions(latin1(pattern))]));

  for (const [size, group] of Map.groupBy(sizes.keys(), (pattern) => sizes.get(pattern) ?? 0)) {
    it(`that ${group.map((pattern) => JSON.stringify(pattern)).join(', ')} come to no more than ${size} instructions`, () => {
      assert.equal(envoyObjection(routed(group, size)), '');
    });
  }

  it('with the estimate, which is never above the count', () => {
    const tooHigh = patterns.filter((pattern) => estimateProgramSize(latin1(pattern)) > (sizes.get(pattern) ?? 0));
    assert.deepEqual(tooHigh, []);
  });

  for (const pattern of ['/(', '/a**', '/(?=a)', '/(a)\\1', '/a{1001}', '/\\x{100}', '/\\p{Emoji}', '/\\é', '/(?x)a']) {
    it(`that ${pattern} is no regular expression`, () => {
      assert.notEqual(regexProblem(pattern, 10_000), undefined);
      assert.match(envoyObjection(routed([pattern], 10_000)), /invalid|bad|missing/);
    });
  }

  const usable = {
    'RSA 2048': { keys: generateKeyPairSync('rsa', { modulusLength: 2048 }), keyUsage: 0x20 },
    'P-256': { keys: ellipticKeys(), keyUsage: 0x80 },
    'P-384': { keys: ellipticKeys('secp384r1') },
    'P-521': { keys: ellipticKeys('secp521r1') },
    Ed25519: { keys: generateKeyPairSync('ed25519') },
    expired: { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') },
  };
  for (const [name, options] of Object.entries(usable)) {
    it(`that a certificate can be served: ${name}`, () => {
      const { certificate, privateKey } = makeCertificate(options);
      const state = ingestCertificate(secretObject({ 'tls.crt': certificate, 'tls.key': privateKey }), new Date());
      assert(state.state === 'usable');
      assert.equal(envoyObjection(terminated(state.certificate.chain, state.certificate.privateKey.reveal())), '');
    });
  }

  const unusable = {
    'RSA 1024': { keys: generateKeyPairSync('rsa', { modulusLength: 1024 }) },
    'P-224': { keys: ellipticKeys('secp224r1') },
    secp256k1: { keys: ellipticKeys('secp256k1') },
    Ed448: { keys: generateKeyPairSync('ed448') },
    'a key that may not sign': { keyUsage: 0x20 },
    'stapling demanded': { mustStaple: true },
  };
  for (const [name, options] of Object.entries(unusable)) {
    it(`that a certificate cannot be served: ${name}`, () => {
      const { certificate, privateKey } = makeCertificate(options);
      const state = ingestCertificate(secretObject({ 'tls.crt': certificate, 'tls.key': privateKey }), new Date());
      assert.equal(state.state, 'unusable');
      assert.notEqual(envoyObjection(terminated(certificate, privateKey)), '');
    });
  }
});

function latin1(pattern: string): string {
  return Buffer.from(pattern, 'utf8').toString('latin1');
}
