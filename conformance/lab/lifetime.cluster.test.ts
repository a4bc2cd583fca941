import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { runToEnd } from './command.ts';
import { Lab, type RunningLab } from './index.ts';
import { programsIn, readHoldings, readMachine, remains } from './machine-traces.ts';
import type { LabRecord } from './state.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'some', namespace: 'default' },
  spec: { containers: [{ name: 'some', image: 'lab/host:1' }], terminationGracePeriodSeconds: 0 },
};

describe('the life of a lab', needs('cluster', 'root'), () => {
  let states: TemporaryFolder;
  before(() => {
    states = new TemporaryFolder();
  });
  after(() => states.dispose());

  function keeperOf(lab: RunningLab): number {
    const { keeper }: LabRecord = JSON.parse(readFileSync(join(lab.folder, 'lab.json'), 'utf8'));
    return keeper.pid;
  }

  async function withPod(lab: RunningLab): Promise<void> {
    await eventually(() => lab.apply([POD]));
    await lab.kubectl('wait', '--for=condition=Ready', 'pod/some', '--timeout=60s');
  }

  async function nodeRun(lab: RunningLab, node: string, ...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await lab.run(command, { where: node, mounts: true });
    assert.equal(code, 0, stderr);
    return stdout;
  }

  test('nothing is left of it when it is ended', async (t) => {
    const machine = readMachine();
    const start = performance.now();
    const lab = await Lab.start({ stateRoot: states.path, nodes: 2 });
    t.diagnostic(`two nodes are ready after ${((performance.now() - start) / 1000).toFixed(1)} s`);
    await withPod(lab);
    const held = readHoldings(keeperOf(lab), lab.folder);
    assert.ok(held.processes.length >= 14, `${held.processes.length} processes`);
    assert.ok(held.namespaces.size >= 10, `${held.namespaces.size} namespaces`);
    assert.equal(held.controlGroups.length, 3, 'its own, and one of each node');
    await lab.down();
    assert.deepEqual(remains(held), []);
    assert.deepEqual(readMachine(), machine);
  });

  test('everything on a node is in its control group, which is all that the node sees of them', async () => {
    await using lab = await Lab.start({ stateRoot: states.path, nodes: 2 });
    await withPod(lab);
    const node = await lab.kubectl('get', 'pod', 'some', '-o', 'jsonpath={.spec.nodeName}');
    const own = `/sluice-lab-${keeperOf(lab)}-`;
    const group = await lab.kubectl('exec', 'some', '--', 'grep', '^0::', '/proc/self/cgroup');
    assert.ok(group.startsWith(`0::${own}`) && group.endsWith(`/${node}\n`), group);
    const seen = await lab.kubectl('exec', 'some', '--', 'stat', '-c', '%i', '/sys/fs/cgroup');
    assert.deepEqual(
      await Promise.all(
        lab.nodes.map(async ({ name }) => [name, (await nodeRun(lab, name, 'stat', '-c', '%i', '/sys/fs/cgroup')) === seen]),
      ),
      lab.nodes.map(({ name }) => [name, name === node]),
    );
    const [, ...groups] = readHoldings(keeperOf(lab), lab.folder).controlGroups;
    const started = groups.map((group) => programsIn(group).map(([, program]) => program));
    for (const programs of started) for (const one of ['kubelet', 'kube-proxy', 'cri']) assert.ok(programs.includes(one), one);
  });

  test('nothing is left of it when its owner is killed', async () => {
    const index = new URL('index.ts', import.meta.url);
    const program = `import { Lab } from '${index}'; const lab = await Lab.start({ name: 'orphan', stateRoot: '${states.path}' }); console.log('up');`;
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '-e', `${program} setInterval(() => {}, 1000);`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(createInterface(owner.stdout), 'line');
    const lab = await Lab.find('orphan', states.path);
    await withPod(lab);
    const held = readHoldings(keeperOf(lab), lab.folder);
    owner.kill('SIGKILL');
    await eventually(() => assert.deepEqual(remains(held), []));
  });

  test('no process or namespace is left when its keeper is killed, and its name is free', async () => {
    const lab = await Lab.start({ name: 'unkept', stateRoot: states.path });
    const held = readHoldings(keeperOf(lab), lab.folder);
    process.kill(keeperOf(lab), 'SIGKILL');
    const left = [lab.folder, ...held.controlGroups].map((path) => `folder ${path}`);
    await eventually(() => assert.deepEqual(remains(held), left));
    await using again = await Lab.start({ name: 'unkept', stateRoot: states.path });
    assert.equal(again.name, 'unkept');
    assert.deepEqual(
      held.controlGroups.filter((path) => existsSync(path)),
      [],
    );
  });

  test('it goes on after the command that started it, beside others', async () => {
    const command = (...args: readonly string[]) => runToEnd([process.execPath, MAIN, '--state-dir', states.path, ...args], {});
    const up = await Promise.all(['one', 'two'].map((name) => command('up', '--name', name)));
    assert.deepEqual(
      up.map(({ code, stderr }) => ({ code, stderr })),
      [
        { code: 0, stderr: '' },
        { code: 0, stderr: '' },
      ],
    );
    const { stdout: list } = await command('list');
    assert.deepEqual(
      list
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[0]),
      ['one', 'two'],
    );
    const again = await command('up', '--name', 'one');
    assert.match(again.stderr, /there is a lab named one already/);
    assert.equal(again.code, 1);
    await command('kubectl', '--name', 'one', '--', 'create', 'namespace', 'only-here');
    assert.equal((await command('kubectl', '--name', 'one', '--', 'get', 'namespace', 'only-here')).code, 0);
    assert.equal((await command('kubectl', '--name', 'two', '--', 'get', 'namespace', 'only-here')).code, 1);
    const dashes = await command('kubectl', '--name', 'two', 'get', 'namespace', '--', '--nobody');
    assert.match(dashes.stderr, /namespaces "--nobody" not found/);
    assert.match((await command('status', '--name', 'two')).stdout, /kubelet-node-1 +node-1 +running/);
    const exec = await command('exec', '--name', 'two', '--where', 'node-1', '--', 'sh', '-c', 'ip -4 -o address show dev eth0; exit 3');
    assert.deepEqual({ code: exec.code, stderr: exec.stderr }, { code: 3, stderr: '' });
    assert.match(exec.stdout, /inet 10\.240\.0\.11\//);
    assert.deepEqual(
      (await Promise.all(['one', 'two'].map((name) => command('down', '--name', name)))).map(({ code }) => code),
      [0, 0],
    );
    assert.match((await command('status', '--name', 'one')).stderr, /no lab named one is running/);
  });

  test('it can have Sluice in it, which a client outside of the cluster reaches', async () => {
    const command = (...args: readonly string[]) =>
      runToEnd([process.execPath, MAIN, '--state-dir', states.path, '--name', 'served', ...args], {});
    const up = await command('up', '--sluice');
    assert.deepEqual({ code: up.code, stderr: up.stderr }, { code: 0, stderr: '' });
    try {
      const lab = await Lab.find('served', states.path);
      await lab.apply([ingressManifest('web', { rules: { 'a.test': 'a' } })]);
      const address = await eventually(async () => {
        const { stdout } = await command('exec', '--', ...lab.kubectlCommand('get', 'ingress', 'web', '-o', 'jsonpath={..ip}'));
        assert.match(stdout, /^10\.250\./);
        return stdout;
      });
      await eventually(async () => {
        const { stdout } = await command('exec', '--', 'curl', '-s', '-m', '2', '-w', ' %{http_code}', `http://${address}/`);
        assert.match(stdout, / 404$/);
      });
    } finally {
      assert.equal((await command('down')).code, 0);
    }
  });

  test('its processes can be killed and started again', async () => {
    await using lab = await Lab.start({ stateRoot: states.path });
    await withPod(lab);
    const names = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet-node-1', 'kube-proxy-node-1'];
    for (const name of names) {
      await lab.kill(name);
      const killed = (await lab.processes()).find((process) => process.name === name);
      assert.equal(killed?.pid, 0);
      await lab.start(name);
    }
    await lab.untilReady();
    await eventually(() => lab.kubectl('delete', 'pod', 'some'));
    await withPod(lab);
    const now = await lab.processes();
    assert.deepEqual(
      names.filter((name) => now.find((process) => process.name === name)?.pid === 0),
      [],
    );
  });
});
