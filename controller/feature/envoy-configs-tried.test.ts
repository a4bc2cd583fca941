import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ConfiguredSluice, whoAnswersAt } from '../../testkit/configured-sluice.ts';
import { type HttpConfig, httpConfigManifest } from '../../testkit/envoy-config-manifests.ts';
import type { ManifestObject } from '../../testkit/manifest-objects.ts';
import { freePort } from '../../testkit/ports.ts';

const UNBALANCED = { lbPolicy: 'LOAD_BALANCING_POLICY_CONFIG' };

describe('CiliumEnvoyConfigs that an Envoy tries before they are served', { ...needs('envoy'), timeout: 120_000 }, () => {
  // Of what is added to listeners, none may be what an Envoy that tries them lacks.
  const sluice = new ConfiguredSluice({ tracing: { enabled: true } });
  let port = 0;

  before(async () => {
    await sluice.addBackends('a', 'b');
    port = await freePort();
    sluice.write('web.yaml', leadingTo('web', port, 'a'));
    await sluice.start();
  });
  after(() => sluice.stop());

  function leadingTo(name: string, own: number, service: string, config: Partial<HttpConfig> = {}): ManifestObject {
    const routes = [{ match: { prefix: '/' }, route: { cluster: service } }];
    return httpConfigManifest(name, { port: own, routes, clusters: { [service]: {} }, ...config });
  }

  async function write(...objects: readonly ManifestObject[]): Promise<readonly string[]> {
    sluice.write('web.yaml', ...objects);
    await sluice.settled();
    return await sluice.findings();
  }

  test('are served from the start', async () => {
    assert.equal(await whoAnswersAt(port), 'a');
  });

  test('never reach an Envoy that serves where they are not taken, and one beside them does', async () => {
    const beside = await freePort();
    const found = await write(leadingTo('web', port, 'b', { clusters: { b: UNBALANCED } }), leadingTo('beside', beside, 'b'));
    assert.deepEqual(found, ['CiliumEnvoyConfig/web LastGoodEnvoyConfig', 'CiliumEnvoyConfig/web RefusedInDryRun']);
    const refusal = (await sluice.diagnostics()).find(({ code }) => code === 'RefusedInDryRun');
    assert.match(refusal?.message ?? '', /^Envoy does not take Cluster "default\/web\/b": .*load_balancing_policy/);
    assert.equal(refusal?.path.join('.'), 'spec.resources.2');
    assert.deepEqual([await whoAnswersAt(port), await whoAnswersAt(beside)], ['a', 'b']);
    assert.match(await sluice.envoyAdmin('/stats?filter=^cluster_manager.cds.update_rejected'), /update_rejected: 0\n/);
  });

  test('are served at once by a Sluice that begins anew', async () => {
    assert.deepEqual(await write(leadingTo('web', port, 'b')), []);
    const asking = new AbortController();
    const answers = new Set<string>();
    const asked = (async () => {
      while (!asking.signal.aborted) answers.add(await whoAnswersAt(port).catch(String));
    })();
    try {
      await sluice.crash();
      await sluice.settled();
    } finally {
      asking.abort();
      await asked;
    }
    assert.deepEqual([...answers], ['b']);
  });

  test('are nothing where they were never taken', async () => {
    assert.deepEqual(await write(), []);
    const own = await freePort();
    const found = await write(leadingTo('fresh', own, 'b', { clusters: { b: UNBALANCED } }));
    assert.deepEqual(found, ['CiliumEnvoyConfig/fresh RefusedInDryRun']);
    await assert.rejects(whoAnswersAt(own));
  });
});
