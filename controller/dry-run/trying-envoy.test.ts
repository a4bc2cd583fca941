import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { toBinary } from '@bufbuild/protobuf';
import { BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { buildBootstrap } from '../../agent/index.ts';
import { type EnvoyConfig, readEnvoyConfig } from '../../envoy-config/index.ts';
import { readManifests } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { extension, httpFilter, type Json, resource } from '../../testkit/envoy-config-manifests.ts';
import { envoyConfigObject } from '../../testkit/kube-objects.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { readCases } from '../golden/case.ts';
import { DryRun, type Verdict } from './dry-run.ts';
import { objectionOfEnvoy } from './trying-envoy.ts';

const OPTIONS = { allow: ['envoy.config.listener.v3.Listener.address'], mark: 0xd00, clientMark: 0xd02 };
const MAX_REGEX = 10_000;

/** What a real Envoy makes of configs that are tried together. */
async function tryAll(configs: readonly EnvoyConfig[], binary = envoyBinary(), timeoutMs?: number): Promise<readonly Verdict[]> {
  const places = { xdsSocket: '/nowhere', adminSocket: '/nowhere' };
  const settings = { regexMaxProgramSize: MAX_REGEX };
  const bootstrap = toBinary(BootstrapSchema, buildBootstrap({ nodeId: 'trial', cluster: 'trial', ...places, settings }));
  const verdicts = new Map<EnvoyConfig, Verdict>();
  await using dryRun = new DryRun({
    bootstrap,
    objectionTo: async (tried, signal) => await objectionOfEnvoy({ binary, ...(timeoutMs !== undefined && { timeoutMs }) }, tried, signal),
    onConcluded: (concluded) => {
      for (const { trial, verdict } of concluded) verdicts.set(trial.config, verdict);
    },
  });
  dryRun.take(configs.map((config) => ({ config })));
  await dryRun.idle();
  return configs.flatMap((config) => verdicts.get(config) ?? []);
}

/** A Service is led to the listener of a config, which has no address. */
function configOf(name: string, parts: { readonly http?: Json; readonly routes?: readonly Json[]; readonly cluster?: Json }): EnvoyConfig {
  const { http = {}, routes = [{ match: { prefix: '/' }, route: { cluster: 'own' } }], cluster = {} } = parts;
  const manager = extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: name,
    rds: { routeConfigName: 'routes' },
    httpFilters: [httpFilter('router.v3.Router')],
    ...http,
  });
  const resources = [
    resource('envoy.config.listener.v3.Listener', { name: 'in', filterChains: [{ filters: [manager] }] }),
    resource('envoy.config.route.v3.RouteConfiguration', {
      name: 'routes',
      virtualHosts: [{ name: 'all', domains: ['*'], routes }],
    }),
    resource('envoy.config.cluster.v3.Cluster', { name: 'own', type: 'EDS', edsClusterConfig: { serviceName: 'default/web' }, ...cluster }),
  ];
  const spec = { services: [{ name: 'web' }], backendServices: [{ name: 'web' }], resources };
  const { config, diagnostics } = readEnvoyConfig(envoyConfigObject(spec, { name }), OPTIONS);
  assert.ok(config, JSON.stringify(diagnostics));
  return config;
}

const LOG = extension('access_loggers.stream.v3.StdoutAccessLog', {
  logFormat: { textFormatSource: { inlineString: '%NOTHING_THAT_ENVOY_KNOWS%' } },
});

describe('an Envoy that tries configs', needs('envoy'), () => {
  const folder = new TemporaryFolder();
  after(() => folder.dispose());

  test('takes all those of the golden cases together', async () => {
    const configs: EnvoyConfig[] = [];
    for (const { name, folder: input, settings } of readCases()) {
      const { objects } = await readManifests([join(input, 'input.yaml')]);
      for (const object of objects) {
        if (object.kind !== 'CiliumEnvoyConfig' && object.kind !== 'CiliumClusterwideEnvoyConfig') continue;
        // Those of different cases have the same names.
        const metadata = { ...object.metadata, name: `${name}-${object.metadata.name}` };
        const { config } = readEnvoyConfig({ ...object, metadata }, { ...OPTIONS, allow: settings.envoyConfig.allow });
        if (config) configs.push(config);
      }
    }
    assert.ok(configs.length >= 40, `only ${configs.length} configs`);
    assert.deepEqual(new Set((await tryAll(configs)).map((verdict) => JSON.stringify(verdict))), new Set(['{"kind":"taken"}']));
  });

  test('says which resource of which config it does not take', async () => {
    const verdicts = await tryAll([
      configOf('right', {}),
      configOf('bad-cluster', { cluster: { lbPolicy: 'LOAD_BALANCING_POLICY_CONFIG' } }),
      configOf('bad-listener', { http: { accessLog: [LOG] } }),
      configOf('right-too', {}),
      configOf('bad-routes', { routes: [{ match: { safeRegex: { regex: '(' } }, route: { cluster: 'own' } }] }),
    ]);
    assert.deepEqual(
      verdicts.map((verdict) =>
        verdict.kind === 'refused' ? `${verdict.unit.name} at ${verdict.unit.source.path.join('.')}` : verdict.kind,
      ),
      [
        'taken',
        'default/bad-cluster/own at spec.resources.2',
        'default/bad-listener/in at spec.resources.0',
        'taken',
        'default/bad-routes/routes at spec.resources.1',
      ],
    );
    const words = verdicts.map((verdict) => (verdict.kind === 'refused' ? verdict.words : ''));
    for (const [index, pattern] of [/load_balancing_policy/, /NOTHING_THAT_ENVOY_KNOWS/, /missing \)/].entries()) {
      assert.match(words.filter((each) => each !== '')[index] ?? '', pattern);
    }
    assert.ok(!words.some((each) => each.includes('bootstrap.pb')), words.join('\n'));
  });

  for (const [what, script, reason] of [
    ['is not there', undefined, /ENOENT/],
    ['is no Envoy', '#!/bin/sh\necho broken >&2\nexit 7\n', /broken/],
    ['does not come to an end', '#!/bin/sh\nexec sleep 60\n', /longer than 200 ms/],
  ] as const) {
    test(`that ${what} has no opinion`, async () => {
      const binary = folder.join(`envoy ${what}`);
      if (script !== undefined) {
        writeFileSync(binary, script);
        chmodSync(binary, 0o755);
      }
      const [verdict] = await tryAll([configOf('right', {})], binary, 200);
      assert.equal(verdict?.kind, 'untried');
      assert.match(verdict.reason, reason);
    });
  }
});
