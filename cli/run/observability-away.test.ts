import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { statusSchema } from '../../controller/admin/status.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { freePorts } from '../../testkit/ports.ts';
import { runSluiceCommand, SluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

const WITHIN = { withinMs: 60_000 };

test('flows and traces that cannot be told yet keep nothing from being served, and are told once they can', needs('envoy'), async () => {
  await using cleanUp = new AsyncDisposableStack();
  const folder = cleanUp.use(new TemporaryFolder());
  const [httpPort, httpsPort, adminPort, collectorPort] = await freePorts(4);
  const [manifests, state, authorities] = [folder.join('m'), folder.join('s'), folder.join('ca.crt')];
  for (const path of [manifests, state]) mkdirSync(path, { mode: 0o700 });
  writeFileSync(folder.join('s/flows.sock'), 'no socket');
  const collector = { endpoint: `https://127.0.0.1:${collectorPort}`, certificateAuthorities: authorities };
  const settings = { flows: { export: { enabled: true, collector } }, tracing: { changes: true, collector } };
  writeFileSync(folder.join('sluice.yaml'), JSON.stringify(settings));
  const ports = ['--http-port', `${httpPort}`, '--https-port', `${httpsPort}`, '--admin-port', `${adminPort}`];
  const places = ['--manifests', manifests, '--state-dir', state, '--config', folder.join('sluice.yaml')];
  const command = cleanUp.use(new SluiceCommand(['run', ...places, ...ports]));
  await command.untilSaid(/^ready /);

  const failing = async () => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/status`);
    const { ready, failing: all = [] } = statusSchema.parse(await response.json());
    assert.ok(ready);
    return new Map(all.map(({ what, reason }) => [what, reason]));
  };
  await eventually(async () => assert.equal((await failing()).size, 3));
  const reasons = await failing();
  assert.match(reasons.get(`flows at ${state}/flows.sock`) ?? '', /is there and not a socket$/);
  assert.match(reasons.get('export of flows') ?? '', /^flows\.export\.collector: ENOENT.*ca\.crt/);
  assert.match(reasons.get('traces of changes') ?? '', /^tracing\.collector: ENOENT.*ca\.crt/);
  const shown = await runSluiceCommand(['status', '--admin-port', `${adminPort}`]);
  assert.match(shown.stdout, /^failing {4}export of flows: flows\.export\.collector: ENOENT/m);

  rmSync(folder.join('s/flows.sock'));
  writeFileSync(`${authorities}.new`, makeCertificate({ commonName: 'ca', names: [] }).certificate);
  copyFileSync(`${authorities}.new`, authorities);
  await eventually(async () => assert.deepEqual([...(await failing())], []), WITHIN);
  const observed = await runSluiceCommand(['observe', '--server', `unix:${state}/flows.sock`]);
  assert.deepEqual([observed.code, observed.stderr], [0, '']);
  command.signal('SIGTERM');
  assert.equal(await command.exited, 0);
});
