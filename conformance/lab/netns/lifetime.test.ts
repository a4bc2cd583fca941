import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { needs } from '../../../testkit/capabilities.ts';
import { eventually } from '../../../testkit/eventually.ts';
import { readHoldings, readMachine, remains } from '../machine-traces.ts';
import { NetnsLab, processIn } from './index.ts';
import { cgroupRoot } from './keeper.ts';

const START = `import { NetnsLab, processIn } from '${new URL('index.ts', import.meta.url)}';
const lab = await NetnsLab.start({ network: 'bridged' });
await processIn(lab.pods[0].spawn(['sleep', 'infinity']));
console.log(lab.keeper.processId + ' ' + lab.keeper.cgroup);
setInterval(() => {}, 1000);`;

describe('the life of a lab of network namespaces', needs('root', 'netns'), () => {
  const owners: ChildProcess[] = [];
  after(() => {
    for (const owner of owners) owner.kill('SIGKILL');
  });

  /** A lab of another process. */
  async function startOwner() {
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '-e', START], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(createInterface(owner.stdout), 'line');
    const [keeper, cgroup] = String(line).split(' ');
    assert.ok(keeper && cgroup);
    owners.push(owner);
    const all = readHoldings(owner.pid ?? 0, cgroup);
    const held = { ...all, processes: all.processes.filter(({ pid }) => pid !== owner.pid) };
    assert.ok(held.processes.length >= 10, `${held.processes.length} processes`);
    assert.ok(held.namespaces.size >= 8, `${held.namespaces.size} namespaces`);
    return { owner, keeper: Number(keeper), cgroup, held };
  }

  test('nothing is left of it when it is stopped, whatever runs in it', async () => {
    const machine = readMachine();
    const lab = await NetnsLab.start({ network: 'vxlan' });
    const stubborn = lab.pod('pod-1-1').spawn(['sh', '-c', 'trap "" TERM INT HUP; sleep infinity & wait'], { stdio: 'ignore' });
    await processIn(stubborn);
    const held = readHoldings(lab.keeper.processId, lab.keeper.cgroup);
    await lab.stop();
    await eventually(() => assert.deepEqual(remains(held), []));
    assert.deepEqual(readMachine(), machine);
  });

  test('nothing is left of it when its owner is killed', async () => {
    const { owner, held } = await startOwner();
    owner.kill('SIGKILL');
    await eventually(() => assert.deepEqual(remains(held), []));
  });

  test('nothing but an empty control group is left when its keeper is killed, and the next lab removes that', async () => {
    const { owner, keeper, cgroup, held } = await startOwner();
    process.kill(keeper, 'SIGKILL');
    await eventually(() => assert.deepEqual(remains(held), [`folder ${cgroup}`]));
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    await using lab = await NetnsLab.start({ network: 'routed', nodes: 1, podsPerNode: 1 });
    assert.equal(lab.pods.length, 1);
    assert.equal(existsSync(cgroup), false);
  });

  test('labs beside each other know nothing of each other', async () => {
    const options = { network: 'routed', nodes: 1, podsPerNode: 1 } as const;
    const labs = await Promise.all([NetnsLab.start(options), NetnsLab.start(options)]);
    const [first, second] = labs;
    const to = first.pod('pod-1-1').addresses.ipv4;
    await first.pod('pod-1-1').prober.serve('TCP', 8080);
    assert.equal(await first.node('node-1').prober.probe({ protocol: 'TCP', to, port: 8080 }), 'answered');
    assert.equal(await second.node('node-1').prober.probe({ protocol: 'TCP', to, port: 8080 }), 'refused');
    await Promise.all(labs.map((lab) => lab.stop()));
    const root = cgroupRoot();
    const names = root === undefined ? [] : readdirSync(root);
    assert.deepEqual(
      labs.map(({ keeper }) => names.includes(keeper.cgroup.slice(join(root ?? '', '/').length))),
      [false, false],
    );
  });

  test('each node has a BPF folder and a control group for itself', async () => {
    await using lab = await NetnsLab.start({ network: 'bridged' });
    const seen = await Promise.all(lab.nodes.map((node) => node.run(['sh', '-c', `ls ${node.bpfFolder} && cat /proc/self/cgroup`])));
    assert.equal(new Set(seen).size, 2);
    // The kernel may put iterators beside them.
    const folders = (await lab.outside.run(['ls', '/sys/fs/bpf'])).split('\n');
    assert.deepEqual(
      folders.filter((name) => name !== '' && !name.endsWith('.debug')),
      ['node-1', 'node-2'],
    );
    await assert.rejects(lab.outside.run(['false']), { code: 'command-failed' });
  });
});
