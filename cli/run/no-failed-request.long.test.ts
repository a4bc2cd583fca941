import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { ACTORS, CERTIFICATES } from '../../testkit/load/actors.ts';
import { Stage } from '../../testkit/load/stage.ts';
import { freePorts } from '../../testkit/ports.ts';
import { SluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

const DURATION_MS = Number(process.env['SLUICE_LOAD_SECONDS'] ?? 60) * 1_000;
const REQUESTS_PER_SECOND = 600;
const MIN_REQUESTS = 4_000;
const MIN_CHANGES = 200;
/** Short, so that connections which clients were asked to leave are closed while the load goes on. */
const SETTINGS = 'envoy:\n  drainTime: 3s\n';

test('no request fails while everything changes', { ...needs('envoy'), timeout: 180_000 }, async (context) => {
  using folder = new TemporaryFolder();
  const manifests = folder.join('m');
  mkdirSync(manifests);
  writeFileSync(folder.join('sluice.yaml'), SETTINGS);
  const [httpPort = 0, httpsPort = 0, adminPort = 0] = await freePorts(3);
  await using stage = new Stage({ manifests, httpPort, httpsPort, requestsPerSecond: REQUESTS_PER_SECOND, certificates: CERTIFICATES });
  const acts = await Promise.all(ACTORS.map(async (actor) => await actor(stage)));
  const ports = ['--http-port', `${httpPort}`, '--https-port', `${httpsPort}`, '--admin-port', `${adminPort}`];
  const places = ['--manifests', manifests, '--state-dir', folder.join('s'), '--config', folder.join('sluice.yaml')];
  await using sluice = new SluiceCommand(['run', ...places, ...ports]);
  await sluice.untilSaid(/^ready /);

  const { load, changes } = stage;
  load.start();
  const end = performance.now() + DURATION_MS;
  const play = async (act: () => Promise<void>) => {
    while (performance.now() < end) {
      await act();
      await sleep(200 + Math.random() * 400);
    }
  };
  try {
    await Promise.all(acts.map(play));
  } finally {
    await load.stop();
    for (const failure of load.failures) console.error(failure);
    const perClient = [...load.byClient].map(([name, count]) => `${name} ${count}`).join(', ');
    context.diagnostic(`${load.sent} requests (${perClient}), ${changes.count} changes, ${load.failed} failed`);
    context.diagnostic(`from before the write to the first answer that shows it: ${changes.formatDurations()}`);
  }
  assert.equal(load.failed, 0, `${load.failed} of ${load.sent} requests failed`);
  assert.doesNotMatch(sluice.stderr, /^(?:mistake|refused|rejected) /m);
  assert.ok(load.sent >= MIN_REQUESTS, `only ${load.sent} requests`);
  assert.ok(changes.count >= MIN_CHANGES, `only ${changes.count} changes`);
});
