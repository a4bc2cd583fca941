import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { run, SteeringWorld, snapshot } from '../../testkit/steering-world.ts';

enterOwnNetwork();

const MODULE = new URL('./index.ts', import.meta.url).href;

describe('who may not change the network is told why', needs('root', 'netns'), () => {
  const ATTEMPT = `
    const { SteeringNetwork } = await import(${JSON.stringify(MODULE)});
    const options = { stateFolder: process.argv[1], proxyPorts: { first: 1, last: 2 }, onEvent: () => {}, ...(process.argv[2] && { sysctlFolder: process.argv[2] }) };
    try {
      SteeringNetwork.open(options)[Symbol.dispose]();
      console.log('opened');
    } catch (error) {
      console.log(error.code, error.message);
    }`;

  function attempt(world: SteeringWorld, script: string, ...args: readonly string[]): string {
    const command = ['unshare', '--mount', 'sh', '-ec', script, 'sh', process.execPath, '--input-type=module', '--eval', ATTEMPT];
    return run(...command, world.options.stateFolder, ...args).trim();
  }

  const READ_ONLY = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys';

  test('settings that are mounted for reading', () => {
    using world = new SteeringWorld();
    assert.equal(
      attempt(world, `${READ_ONLY} && exec "$@"`),
      "read-only net.ipv4.tcp_early_demux cannot be set to 0: /proc/sys/net is mounted for reading; give this container the node's /proc/sys/net at " +
        '/host/proc/sys/net, as manifests/policy.yaml does',
    );
    const other = world.folder.join('net');
    mkdirSync(other);
    assert.equal(attempt(world, `mount --bind /proc/sys/net ${other} && ${READ_ONLY} && exec "$@"`, other), 'opened');
  });

  test('no CAP_NET_ADMIN', () => {
    using world = new SteeringWorld();
    const said = attempt(world, 'exec setpriv --bounding-set -net_admin --inh-caps -net_admin "$@"');
    assert.match(said, /^not-permitted .* needs .*CAP_NET_ADMIN$/);
  });

  test('no place to remember what was before', () => {
    using world = new SteeringWorld();
    writeFileSync(world.options.stateFolder, '');
    const before = snapshot();
    assert.throws(() => world.open(), { code: 'not-remembered' });
    assert.deepEqual(snapshot(), before);
  });
});
