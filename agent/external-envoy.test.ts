import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { envoyTypesVersion } from '@sluice/envoy-protos/version.js';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import { needs } from '../testkit/capabilities.ts';
import { envoyBinary } from '../testkit/envoy-binary.ts';
import { eventually } from '../testkit/eventually.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { ExternalEnvoy, type ExternalEnvoyEvent } from './index.ts';

const SUPERVISOR = fileURLToPath(new URL('../images/envoy-supervisor.sh', import.meta.url));
const SETTINGS = { ...DEFAULT_SETTINGS.envoy, concurrency: 1 };

/** A container of Envoy, made small: the supervisor with a folder. */
class Supervised implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown[]>;

  constructor(folder: string) {
    const env = { ...process.env, SLUICE_RUN_DIR: folder, SLUICE_ENVOY: envoyBinary(), SLUICE_ENVOY_USER: `${process.getuid?.()}` };
    this.process = spawn('/bin/sh', [SUPERVISOR], { env, stdio: 'ignore' });
    this.ended = once(this.process, 'exit');
  }

  get envoyPid(): number | undefined {
    const { pid } = this.process;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    return children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('envoy'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGTERM');
    await this.ended;
  }
}

function externalEnvoy(folder: TemporaryFolder, events: ExternalEnvoyEvent[], settings = SETTINGS): ExternalEnvoy {
  const address = { address: { case: 'pipe', value: { path: folder.join('admin.sock'), mode: 0o660 } } } as const;
  const bootstrap = create(BootstrapSchema, { node: { id: 'a', cluster: 'b' }, admin: { address } });
  return new ExternalEnvoy({
    folder: folder.path,
    version: envoyTypesVersion(),
    bootstrap,
    settings,
    onEvent: (event) => events.push(event),
  });
}

describe('an Envoy that its supervisor starts', needs('envoy'), () => {
  test('is started with what is written, and again after a kill', async (t) => {
    using folder = new TemporaryFolder();
    await using supervised = new Supervised(folder.path);
    const events: ExternalEnvoyEvent[] = [];
    await using envoy = externalEnvoy(folder, events);
    envoy.start();
    await eventually(() => assert.equal(envoy.isLive, true));
    assert.equal(envoy.info?.version, envoyTypesVersion());
    assert.equal(statSync(folder.join('admin.sock')).mode & 0o777, 0o660);
    for (let kills = 0; kills < 2; kills += 1) {
      const pid = supervised.envoyPid;
      assert.ok(pid !== undefined);
      const began = performance.now();
      process.kill(pid, 'SIGKILL');
      await eventually(async () => {
        assert.ok(supervised.envoyPid !== undefined && supervised.envoyPid !== pid);
        assert.equal(await envoy.admin.state(), 'LIVE');
      });
      t.diagnostic(`live again after ${Math.round(performance.now() - began)} ms`);
      await eventually(() => assert.equal(events.filter(({ kind }) => kind === 'ready').length, kills + 2));
    }
  });

  test('is replaced when it is to be started with something else, and only then', async () => {
    using folder = new TemporaryFolder();
    await using supervised = new Supervised(folder.path);
    const events: ExternalEnvoyEvent[] = [];
    for (const settings of [SETTINGS, SETTINGS, { ...SETTINGS, concurrency: 2 }]) {
      await using envoy = externalEnvoy(folder, events, settings);
      envoy.start();
      await eventually(() => assert.equal(envoy.info?.workers, settings.concurrency));
      await eventually(() => assert.equal(envoy.isLive, true));
    }
    assert.ok(supervised.envoyPid !== undefined);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['ready', 'ready', 'replacing', 'ready'],
    );
  });

  test('what its pod left in the folder does not lead what is written elsewhere', async () => {
    using folder = new TemporaryFolder();
    const [precious, link] = [folder.join('precious'), folder.join('bootstrap.json.new')];
    writeFileSync(precious, 'as it was');
    symlinkSync(precious, link);
    await using envoy = externalEnvoy(folder, []);
    envoy.start();
    assert.equal(readFileSync(precious, 'utf8'), 'as it was');
    const written = lstatSync(folder.join('bootstrap.json'));
    assert.deepEqual([written.isFile(), written.mode & 0o777], [true, 0o640]);
  });

  test('ends with its supervisor, which ends in good order with and without it', async () => {
    using folder = new TemporaryFolder();
    const idle = new Supervised(folder.path);
    await idle[Symbol.asyncDispose]();
    const supervised = new Supervised(folder.path);
    await using envoy = externalEnvoy(folder, []);
    envoy.start();
    await eventually(() => assert.equal(envoy.isLive, true));
    await supervised[Symbol.asyncDispose]();
    assert.equal(supervised.process.exitCode, 0);
    await eventually(() => assert.equal(envoy.isLive, false));
  });
});
