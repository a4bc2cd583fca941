import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { CliError } from './cli-error.ts';
import { requireSettings } from './settings.ts';

const LUA = 'envoy.extensions.filters.http.lua.v3.Lua';

async function settingsIn(content: object) {
  using folder = new TemporaryFolder();
  const file = folder.join('sluice.yaml');
  writeFileSync(file, JSON.stringify(content));
  return await requireSettings(file);
}

const settingsOf = (allow: readonly string[]) => settingsIn({ envoyConfig: { allow } });

test('what CiliumEnvoyConfigs may use are names that Envoy knows', async () => {
  const allow = [LUA, 'envoy.config.listener.v3.Listener.address', 'envoy.extensions.filters.http.router.v3.Router'];
  const settings = await settingsOf(allow);
  assert.deepEqual(settings.envoyConfig.allow, allow);
});

for (const [name, message] of [
  ['envoy.extensions.filters.http.lua.v3.Lau', /is no message of Envoy, nor a field of one/],
  ['envoy.config.listener.v3.Listener.adress', /is no message of Envoy, nor a field of one/],
  ['envoy.config.core.v3.SocketOption', /is what no CiliumEnvoyConfig may use/],
] as const) {
  test(`${name} is not`, async () => {
    await assert.rejects(settingsOf([LUA, name]), (error) => error instanceof CliError && message.test(error.message));
  });
}

test('a metric of flows that there is none of is told with its place', async () => {
  await assert.rejects(
    settingsIn({ metrics: { flows: ['drop', 'dropp'] } }),
    (error) =>
      error instanceof CliError && /sluice\.yaml metrics\.flows\[1\]: "dropp" is none of the metrics flow, drop/.test(error.message),
  );
});

test('a filter of flows that is none is told with its place, whether they are exported or not', async () => {
  const filters = { allow: ['{"verdict":["DROPPED"]}'], deny: ['{}', '{"verdict":["LATE"]}'] };
  await assert.rejects(
    settingsIn({ flows: { export: filters } }),
    (error) => error instanceof CliError && /sluice\.yaml flows\.export\.deny\[1\]: is no filter of Hubble: /.test(error.message),
  );
  const settings = await settingsIn({ flows: { export: { allow: filters.allow } } });
  assert.deepEqual(settings.flows.export.allow, filters.allow);
});

test('the metrics of flows that there are by default can be kept', async () => {
  const { metrics } = await settingsIn({});
  assert.equal(metrics.flows.length, 8);
});
