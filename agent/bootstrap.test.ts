import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { fromJsonString } from '@bufbuild/protobuf';
import { BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { Backend } from '../testkit/backend.ts';
import { DeltaAds } from '../testkit/delta-ads.ts';
import { envoyBinary } from '../testkit/envoy-binary.ts';
import { eventually } from '../testkit/eventually.ts';
import { freePort } from '../testkit/ports.ts';
import { ProxiedEnvoy } from '../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { buildBootstrap, encodeBootstrap } from './index.ts';

const OPTIONS = {
  nodeId: 'node-1',
  cluster: 'nodes',
  xdsSocket: '/run/sluice/xds.sock',
  adminSocket: '/run/sluice/admin.sock',
  settings: { regexMaxProgramSize: 1234 },
};

test('Envoy accepts the bootstrap', async () => {
  using folder = new TemporaryFolder();
  const path = folder.join('bootstrap.json');
  writeFileSync(path, encodeBootstrap(buildBootstrap(OPTIONS)));
  const { stdout } = await promisify(execFile)(envoyBinary(), ['--mode', 'validate', '--config-path', path]);
  assert.match(stdout, /OK/);
});

test('equal options give equal bytes, which read back as the same message', () => {
  const bootstrap = buildBootstrap(OPTIONS);
  assert.equal(encodeBootstrap(bootstrap), encodeBootstrap(buildBootstrap({ ...OPTIONS })));
  assert.deepEqual(fromJsonString(BootstrapSchema, encodeBootstrap(bootstrap), { registry: envoyRegistry() }), bootstrap);
});

test('the limit on regular expressions is in both of the runtime keys that Envoy reads', () => {
  const [layer] = buildBootstrap(OPTIONS).layeredRuntime?.layers ?? [];
  assert.deepEqual(layer?.layerSpecifier.value, { 're2.max_program_size.error_level': 1234, 're2.max_program_size.warn_level': 1234 });
});

test('what a running Envoy makes of it', async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  await using proxied = await ProxiedEnvoy.start({
    statePath: folder.join('state'),
    listenPort: await freePort(),
    backendPort: backend.port,
    settings: { concurrency: 2 },
  });
  const { state, envoy, ads } = proxied;
  assert.equal(statSync(state.adminSocket).mode & 0o777, 0o600);
  assert.equal((await envoy.admin.serverInfo()).workers, 2);
  const node = ads.requests[0]?.node;
  assert.equal(node?.id, 'test-node');
  assert.equal(node?.cluster, 'test');
  assert.ok(ads.requests.length > 1);
  assert.ok(
    ads.requests.slice(1).every((request) => request.node === undefined),
    'it says once what it is',
  );

  // A control plane that returns at the same socket is found without being waited for long.
  await ads[Symbol.asyncDispose]();
  await using returned = await DeltaAds.listen(state.xdsSocket);
  await eventually(() => assert.ok(returned.requests.length > 0), { withinMs: 5_000 });
  assert.equal(returned.requests[0]?.node?.id, 'test-node');
  assert.equal(readFileSync(state.envoyLog, 'utf8'), '', 'nothing is logged of the attempts, which would fill a disk in time');
  await envoy.stop({ drainMs: 0 });
});
