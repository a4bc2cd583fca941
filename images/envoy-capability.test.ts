import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildBootstrap, encodeBootstrap } from '../agent/index.ts';
import { slotListener } from '../agent/slots/slot-listener.ts';
import { translateSlot, translateSteeringClusters } from '../l7-filters/envoy/index.ts';
import { SLOT_OPTIONS } from '../l7-filters/envoy/testing/slot-scene.ts';
import { httpSlot } from '../l7-filters/envoy/testing/slots.ts';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import { needs } from '../testkit/capabilities.ts';
import { envoyBinary } from '../testkit/envoy-binary.ts';
import { eventually } from '../testkit/eventually.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { XdsScene } from '../testkit/xds/xds-scene.ts';
import { LISTENER_TYPE } from '../xds-server/serve/index.ts';

const SUPERVISOR = fileURLToPath(new URL('envoy-supervisor.sh', import.meta.url));
const USER = 65532;
const PORT = 10_000;
const [MAJOR = 0, MINOR = 0] = release().split('.').map(Number);
/** Before, marks of sockets were for CAP_NET_ADMIN alone. */
const isRawEnough = MAJOR > 5 || (MAJOR === 5 && MINOR >= 17);

const SLOT = httpSlot('a', [{ method: 'GET' }]);

/** What a pod has beside its agent: the programs of Envoy's image, where its user may read them. */
function placePrograms(folder: TemporaryFolder): void {
  chmodSync(folder.path, 0o755);
  copyFileSync(envoyBinary(), folder.join('envoy'));
  copyFileSync(SUPERVISOR, folder.join('envoy-supervisor'));
  chmodSync(folder.join('envoy-supervisor'), 0o755);
}

/** Writes what an agent does. */
function writeBootstrap(folder: TemporaryFolder, xdsSocket: string): void {
  const adminSocket = folder.join('admin.sock');
  const bootstrap = buildBootstrap({ nodeId: 'node', cluster: 'test', xdsSocket, adminSocket, settings: DEFAULT_SETTINGS.envoy });
  const args = ['--config-path', folder.join('bootstrap.json'), '--disable-hot-restart', '--concurrency', '1'];
  writeFileSync(folder.join('envoy.args'), `${args.join('\n')}\n`);
  writeFileSync(folder.join('bootstrap.json'), encodeBootstrap(bootstrap));
}

/** Starts the supervisor as a container whose first process is root's, with these capabilities and a network of its own. */
function startSupervisor(folder: TemporaryFolder, capabilities: readonly string[]) {
  const bounding = ['-all', 'setuid', 'setgid', ...capabilities].map((name) => (name === '-all' ? name : `+${name}`)).join();
  const limits = ['--bounding-set', bounding, '--inh-caps', '-all', '--no-new-privs', '--pdeathsig', 'TERM'];
  const env = { ...process.env, SLUICE_RUN_DIR: folder.path, SLUICE_ENVOY: folder.join('envoy'), SLUICE_SETPRIV: '/usr/bin/setpriv' };
  const command = ['--net', 'setpriv', ...limits, folder.join('envoy-supervisor')];
  return spawn('unshare', command, { env, stdio: ['ignore', 'ignore', 'ignore'] });
}

describe("a slot's listener, where root has started Envoy's supervisor", { ...needs('envoy', 'root', 'netns'), timeout: 300_000 }, () => {
  const cases: readonly [capabilities: readonly string[], kept: bigint, isAccepted: boolean][] = [
    [[], 0n, false],
    [['net_raw'], 1n << 13n, isRawEnough],
    [['net_admin'], 1n << 12n, true],
    [['net_admin', 'net_raw'], 3n << 12n, true],
  ];
  for (const [capabilities, kept, isAccepted] of cases) {
    test(`is ${isAccepted ? 'accepted' : 'refused'} with ${capabilities.join(' and ') || 'no capability'}`, async () => {
      await using xds = await XdsScene.open();
      using folder = new TemporaryFolder();
      placePrograms(folder);
      writeBootstrap(folder, xds.socket);
      for (const path of [xds.folder.path, xds.socket, folder.path]) chownSync(path, USER, USER);
      const { listener, filters, requires } = translateSlot(SLOT, SLOT_OPTIONS);
      const clusters = translateSteeringClusters({ connectTimeoutMs: 1_000, idleTimeoutMs: 0 });
      xds.publish(
        ...filters,
        ...clusters,
        slotListener(
          {
            name: SLOT.name,
            direction: SLOT.direction,
            listener,
            requires,
            ofIngresses: false,
            asked: new Uint8Array(),
            asksClients: false,
            asksOnce: false,
          },
          PORT,
          [],
        ),
      );

      const supervisor = startSupervisor(folder, capabilities);
      const ended = once(supervisor, 'exit');
      try {
        const outcome = await eventually(
          () => xds.outcomes.find(({ typeUrl }) => typeUrl === LISTENER_TYPE) ?? assert.fail('nothing is said of the listener'),
          { withinMs: 60_000 },
        );
        assert.equal(outcome.outcome, isAccepted ? 'ack' : 'nack', JSON.stringify(outcome));
        assert.deepEqual(privilegesOf(supervisor.pid ?? 0), { user: USER, kept });
      } finally {
        supervisor.kill('SIGTERM');
        await ended;
      }
    });
  }
});

/** Who a process is, and all that it may do. */
function privilegesOf(pid: number): { readonly user: number; readonly kept: bigint } {
  const status = new Map(
    readFileSync(`/proc/${pid}/status`, 'utf8')
      .split('\n')
      .map((line) => [line.split(':')[0] ?? '', line.split(/\s+/).slice(1)] as const),
  );
  const users = new Set(status.get('Uid'));
  assert.deepEqual([...users], [...new Set(status.get('Gid'))]);
  const sets = new Set(['CapPrm', 'CapEff', 'CapInh', 'CapAmb'].map((name) => status.get(name)?.[0]));
  assert.equal(sets.size, 1);
  return { user: Number([...users][0]), kept: BigInt(`0x${[...sets][0]}`) };
}
