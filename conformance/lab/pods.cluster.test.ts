import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { Lab, type RunningLab } from './index.ts';
import { podManifest } from './test-pods.ts';

interface Status {
  readonly [field: string]: string;
}

describe('the pods of a lab', needs('cluster', 'root'), () => {
  let lab: RunningLab;
  before(async () => {
    lab = await Lab.start();
    await eventually(() => lab.kubectl('get', 'serviceaccount', 'default'));
  });
  after(() => lab.down());

  async function run(...pods: readonly object[]): Promise<void> {
    await lab.apply(pods);
    await lab.kubectl('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s');
  }

  async function inside(pod: string, script: string): Promise<string> {
    return await lab.kubectl('exec', pod, '--', 'sh', '-c', script);
  }

  async function field(pod: string, path: string): Promise<string> {
    return await lab.kubectl('get', 'pod', pod, '-o', `jsonpath={${path}}`);
  }

  /** Of the pod's first process. */
  async function statusOf(pod: string): Promise<Status> {
    const lines = (await inside(pod, 'cat /proc/1/status')).trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.split(':\t').map((part) => part.trim())));
  }

  test('have a name, an environment, processes and files of their own', async () => {
    await run(
      podManifest('own', {
        more: {
          env: [
            { name: 'COLOUR', value: 'blue' },
            { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          ],
        },
      }),
    );
    assert.equal(
      (await inside('own', 'hostname; echo $COLOUR $NODE; touch /mark; ls /mark; cat /proc/1/comm')).trim(),
      'own\nblue node-1\n/mark\nsh',
    );
    assert.doesNotMatch(await inside('own', 'ls /proc | grep -c "^[0-9]" '), /^\d{3}/);
    await assert.rejects(async () => readFileSync('/mark'), { code: 'ENOENT' });
  });

  test('write logs, and say how commands in them end', async () => {
    await run(podManifest('talks', { script: 'echo one; echo two >&2; printf three; exec sleep 1000' }));
    const lines = async () => (await lab.kubectl('logs', 'talks')).trim().split('\n').sort();
    await eventually(async () => assert.deepEqual(await lines(), ['one', 'two']));
    await assert.rejects(inside('talks', 'exit 7'), { code: 'command-failed', message: /exit code 7/ });
    await assert.rejects(lab.kubectl('exec', 'talks', '--', 'no-such-program'), /no-such-program/);
  });

  test('see ConfigMaps, Secrets and folders of their node', async () => {
    const metadata = { name: 'given', namespace: 'default' };
    await lab.apply([
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { file: 'first' } },
      { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { key: 'hidden' } },
    ]);
    const volumes = [
      { name: 'config', configMap: { name: 'given' } },
      { name: 'secret', secret: { secretName: 'given' } },
      { name: 'empty', emptyDir: {} },
      { name: 'host', hostPath: { path: '/var/lib/kept', type: 'DirectoryOrCreate' } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/mnt/${name}` }));
    await run(podManifest('mounts', { more: { volumeMounts } }, { volumes }));
    assert.equal(await inside('mounts', 'cat /mnt/config/file /mnt/secret/key'), 'firsthidden');
    await inside('mounts', 'echo kept > /mnt/host/file; echo x > /mnt/empty/file');
    await assert.rejects(inside('mounts', 'echo x > /mnt/config/other'), /Read-only file system/);
    assert.equal((await lab.run(['cat', '/var/lib/kept/file'], { where: 'node-1', mounts: true })).stdout, 'kept\n');
    await lab.apply([{ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { file: 'second' } }]);
    await eventually(async () => assert.equal(await inside('mounts', 'cat /mnt/config/file'), 'second'), { withinMs: 60_000 });
  });

  test('run with no more rights than they are given', async () => {
    const securityContext = {
      runAsUser: 1234,
      runAsGroup: 4321,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const volumes = [{ name: 'shared', emptyDir: {} }];
    const more = { securityContext, volumeMounts: [{ name: 'shared', mountPath: '/mnt' }] };
    await run(podManifest('limited', { more }, { volumes, securityContext: { fsGroup: 777, supplementalGroups: [888] } }));
    const { Uid, Gid, Groups, CapEff, CapPrm, CapInh, CapBnd, NoNewPrivs, Seccomp } = await statusOf('limited');
    assert.deepEqual(
      { Uid, Gid, Groups, CapEff, CapPrm, CapInh, CapBnd, NoNewPrivs, Seccomp },
      {
        Uid: '1234\t1234\t1234\t1234',
        Gid: '4321\t4321\t4321\t4321',
        Groups: '777 888 4321',
        CapEff: '0000000000000000',
        CapPrm: '0000000000000000',
        CapInh: '0000000000000000',
        CapBnd: '0000000000000400',
        NoNewPrivs: '1',
        Seccomp: '2',
      },
    );
    await assert.rejects(inside('limited', 'echo x > /tmp/file'), /Read-only file system/);
    await assert.rejects(inside('limited', 'unshare --user true'), /Operation not permitted/);
    assert.equal(await inside('limited', 'echo x > /mnt/file; stat -c %g /mnt/file; id -u'), '777\n1234\n');
  });

  test('run as root of the usual capabilities where they do not say otherwise', async () => {
    await run(podManifest('usual'));
    const { Uid, CapEff, CapBnd, NoNewPrivs, Seccomp } = await statusOf('usual');
    assert.deepEqual(
      { Uid, CapEff, CapBnd, NoNewPrivs, Seccomp },
      { Uid: '0\t0\t0\t0', CapEff: '00000000a80425fb', CapBnd: '00000000a80425fb', NoNewPrivs: '0', Seccomp: '0' },
    );
    await assert.rejects(inside('usual', 'mount -t tmpfs none /mnt'), /permission denied|Operation not permitted/i);
    await assert.rejects(inside('usual', 'echo 1 > /proc/sys/kernel/panic'), /Read-only file system/);
    await assert.rejects(inside('usual', 'ls /dev/vda /dev/sda /dev/kmsg'));
  });

  test('are refused what the lab does not have', async () => {
    await lab.apply([
      podManifest('root', { more: { securityContext: { runAsNonRoot: true } } }),
      podManifest('local', { more: { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'a.json' } } } }),
      podManifest('unknown', { image: 'registry.example/nothing:1' }),
    ]);
    for (const [pod, reason] of [
      ['root', /runAsNonRoot/],
      ['local', /no seccomp profiles but RuntimeDefault/],
      ['unknown', /not in the lab's table/],
    ] as const) {
      await eventually(async () => assert.match(await field(pod, '.status.containerStatuses[0].state.waiting.message'), reason));
    }
    await lab.kubectl('delete', 'pod', 'root', 'local', 'unknown');
  });

  test('are restarted when their program ends or their probe fails, with all that they have started', async () => {
    const livenessProbe = { exec: { command: ['test', '!', '-e', '/tmp/ill'] }, periodSeconds: 1, failureThreshold: 1 };
    const script = 'sleep 1000 & sleep 1001 & wait';
    await run(podManifest('restarts', { script, more: { livenessProbe } }));
    const processes = await lab.containerProcesses('default', 'restarts', 'main');
    assert.deepEqual(processes.map(({ args }) => args.join(' ')).sort(), [
      '/bin/sh -c sleep 1000 & sleep 1001 & wait',
      'sleep 1000',
      'sleep 1001',
    ]);
    const [first] = processes;
    await lab.signal(first?.pid ?? 0, 'SIGKILL');
    await eventually(async () => assert.equal(await field('restarts', '.status.containerStatuses[0].restartCount'), '1'));
    assert.equal(await field('restarts', '.status.containerStatuses[0].lastState.terminated.exitCode'), '137');
    await eventually(async () => assert.equal((await lab.containerProcesses('default', 'restarts', 'main')).length, 3));
    await inside('restarts', 'touch /tmp/ill');
    await eventually(async () => assert.equal(await field('restarts', '.status.containerStatuses[0].restartCount'), '2'), {
      withinMs: 60_000,
    });
    await lab.kubectl('delete', 'pod', 'restarts');
  });

  test('end in good order when they are deleted', async () => {
    const script = 'trap "echo ending; exit 0" TERM; while :; do sleep 0.1; done';
    await run(podManifest('graceful', { script }, { terminationGracePeriodSeconds: 30 }));
    const follow = lab.kubectl('logs', '--follow', 'graceful');
    const start = performance.now();
    await lab.kubectl('delete', 'pod', 'graceful');
    assert.match(await follow, /ending/);
    assert.ok(performance.now() - start < 25_000, 'it was killed');
  });

  test('are made by the controllers of Kubernetes', async () => {
    const labelled = (app: string) => ({
      selector: { matchLabels: { app } },
      template: {
        metadata: { labels: { app } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'lab/echo:1' }] },
      },
    });
    await lab.apply([
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'made', namespace: 'default' },
        spec: { ...labelled('made'), replicas: 2 },
      },
      { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'everywhere', namespace: 'default' }, spec: labelled('everywhere') },
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name: 'made', namespace: 'default' },
        spec: { maxUnavailable: 1, selector: labelled('made').selector },
      },
    ]);
    await lab.kubectl('rollout', 'status', 'deployment/made', '--timeout=60s');
    await lab.kubectl('rollout', 'status', 'daemonset/everywhere', '--timeout=60s');
    await eventually(async () => assert.equal(await lab.kubectl('get', 'pdb', 'made', '-o', 'jsonpath={.status.currentHealthy}'), '2'));
  });

  test('leave a line for each request in the audit log', async () => {
    await lab.kubectl('delete', 'pod', 'own');
    await eventually(() => {
      const events = readFileSync(lab.auditLog, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const found = events.find(({ verb, objectRef }) => verb === 'delete' && objectRef?.resource === 'pods' && objectRef.name === 'own');
      assert.equal(found?.user.username, 'admin');
      assert.ok(events.some(({ user }) => user.username === 'system:node:node-1'));
    });
  });
});
