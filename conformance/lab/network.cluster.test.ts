import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { freePort } from '../../testkit/ports.ts';
import { Lab, type RunningLab } from './index.ts';
import { echoManifest, echoService, podManifest } from './test-pods.ts';

/** @see https://curl.se/libcurl/c/libcurl-errors.html */
const CURL_TIMED_OUT = 28;

describe('the network of a lab', needs('cluster', 'root'), () => {
  let lab: RunningLab;
  before(async () => {
    lab = await Lab.start({ nodes: 2 });
    await eventually(() => lab.kubectl('get', 'serviceaccount', 'default'));
    await lab.apply([
      echoManifest('echo-1', 'node-1'),
      echoManifest('echo-2', 'node-2'),
      podManifest('shell', {}, { nodeName: 'node-1' }),
      echoService('echo', { type: 'LoadBalancer' }),
      echoService('peers', { clusterIP: 'None' }),
    ]);
    await lab.kubectl('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s');
  });
  after(() => lab.down());

  async function shell(script: string): Promise<string> {
    return await lab.kubectl('exec', 'shell', '--', 'sh', '-c', script);
  }

  async function field(kind: string, name: string, path: string): Promise<string> {
    return await lab.kubectl('get', kind, name, '-o', `jsonpath={${path}}`);
  }

  /** Who answers: the names of pods that any of so many requests came to. */
  async function answering(get: () => Promise<string>, requests = 20): Promise<readonly string[]> {
    const names = new Set<string>();
    for (let sent = 0; sent < requests; sent += 1) names.add(JSON.parse(await get()).pod);
    return [...names].sort();
  }

  test('pods reach one another on their node and on another, by addresses of their own', async () => {
    for (const name of ['echo-1', 'echo-2']) {
      const address = await field('pod', name, '.status.podIP');
      const answer = await shell(`curl -sS --max-time 10 http://${address}:3000/some/path`);
      const { pod, path, host } = JSON.parse(answer);
      assert.deepEqual({ pod, path, host }, { pod: name, path: '/some/path', host: `${address}:3000` });
    }
    assert.match(await field('pod', 'echo-2', '.status.podIP'), /^10\.244\.2\./);
    assert.equal(await field('node', 'node-2', '.spec.podCIDR'), '10.244.2.0/24');
  });

  test('a Service leads to pods of all nodes', async () => {
    const get = () => shell('curl -sS --max-time 10 http://echo/');
    await eventually(async () => assert.deepEqual(await answering(get), ['echo-1', 'echo-2']));
  });

  test('the names of Services are known to pods', async () => {
    const clusterIp = await field('service', 'echo', '.spec.clusterIP');
    assert.match(await shell('getent ahostsv4 echo.default.svc.cluster.local'), new RegExp(`^${clusterIp}\\b`));
    const peers = await eventually(async () => {
      const found = await shell('getent ahostsv4 peers | cut -d" " -f1 | sort -u');
      assert.equal(found.trim().split('\n').length, 2);
      return found;
    });
    for (const name of ['echo-1', 'echo-2']) assert.match(peers, new RegExp(`^${await field('pod', name, '.status.podIP')}$`, 'm'));
    await assert.rejects(shell('getent hosts nothing.default.svc.cluster.local'));
    await assert.rejects(shell('getent hosts example.com'));
  });

  test('pods reach the API server by its Service', async () => {
    const token = '/var/run/secrets/kubernetes.io/serviceaccount';
    const answer = await shell(
      `curl -sS --cacert ${token}/ca.crt -H "Authorization: Bearer $(cat ${token}/token)" https://kubernetes.default.svc/version`,
    );
    assert.equal(JSON.parse(answer).gitVersion, 'v1.36.3');
  });

  test("a pod's token says which node and pod it is bound to", async () => {
    const token = await shell('cat /var/run/secrets/kubernetes.io/serviceaccount/token');
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { body } = await lab.request('/apis/authentication.k8s.io/v1/tokenreviews', { method: 'POST', body: review });
    const { username, extra } = JSON.parse(body).status.user;
    assert.equal(username, 'system:serviceaccount:default:default');
    assert.deepEqual(extra['authentication.kubernetes.io/node-name'], ['node-1']);
    assert.deepEqual(extra['authentication.kubernetes.io/pod-name'], ['shell']);
  });

  async function fromClient(url: string): Promise<string> {
    const { code, stdout, stderr } = await lab.run(['curl', '-sS', '--max-time', '10', url]);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  test('clients outside of the cluster reach a load balancer and the ports of nodes', async () => {
    const address = await eventually(async () => {
      const given = await field('service', 'echo', '.status.loadBalancer.ingress[0].ip');
      assert.match(given, /^10\.250\./);
      return given;
    });
    await eventually(async () => assert.deepEqual(await answering(() => fromClient(`http://${address}/`)), ['echo-1', 'echo-2']));
    const port = await field('service', 'echo', '.spec.ports[0].nodePort');
    await eventually(() => fromClient(`http://10.240.0.12:${port}/`));
  });

  test('an address goes back with the type of its Service', async () => {
    await lab.apply([echoService('passing', { type: 'LoadBalancer' })]);
    const address = await eventually(async () => {
      const given = await field('service', 'passing', '.status.loadBalancer.ingress[0].ip');
      await fromClient(`http://${given}/`);
      return given;
    });
    await lab.apply([echoService('passing', { type: 'ClusterIP' })]);
    await eventually(async () => {
      assert.equal(await field('service', 'passing', '.status.loadBalancer'), '{}');
      assert.notEqual((await lab.run(['curl', '-sS', '--max-time', '5', `http://${address}/`])).code, 0);
    });
  });

  test('a Service for local endpoints only leads to the nodes that have some', async () => {
    await lab.apply([
      echoService('local', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector: { app: 'echo', only: 'second' } }),
    ]);
    await lab.kubectl('label', 'pod', 'echo-2', 'only=second');
    await eventually(async () => {
      const address = await field('service', 'local', '.status.loadBalancer.ingress[0].ip');
      assert.deepEqual(await answering(() => fromClient(`http://${address}/`)), ['echo-2']);
    });
  });

  test('a Service of another class is left alone', async () => {
    await lab.apply([
      echoService('foreign', { type: 'LoadBalancer', loadBalancerClass: 'other.example/class' }),
      echoService('ours', { type: 'LoadBalancer', loadBalancerClass: 'lab' }),
    ]);
    await eventually(async () => assert.match(await field('service', 'ours', '.status.loadBalancer.ingress[0].ip'), /^10\.250\./));
    assert.equal(await field('service', 'foreign', '.status.loadBalancer'), '{}');
  });

  test("ports are forwarded to a pod's loopback", async () => {
    await lab.apply([podManifest('loopback', { script: 'exec python3 -m http.server --bind 127.0.0.1 8000' })]);
    await lab.kubectl('wait', '--for=condition=Ready', 'pod/loopback', '--timeout=60s');
    const port = await freePort();
    const [program, ...args] = lab.kubectlCommand('port-forward', 'pod/loopback', `${port}:8000`);
    const forward = spawn(program, args, { env: { ...process.env, KUBECONFIG: lab.kubeconfig }, stdio: 'ignore' });
    try {
      const answer = await eventually(async () => await fetch(`http://127.0.0.1:${port}/etc/hostname`));
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('server') ?? '', /SimpleHTTP/);
    } finally {
      forward.kill();
    }
  });

  test('what a node does not translate of a load balancer is dropped, and goes round no more', async () => {
    const address = await field('service', 'echo', '.status.loadBalancer.ingress[0].ip');
    for (const where of ['node-1', 'node-2'])
      assert.equal((await lab.run(['nft', 'delete', 'table', 'ip', 'kube-proxy'], { where })).code, 0);
    const { code, stderr } = await lab.run(['curl', '-sS', '--max-time', '2', `http://${address}/`]);
    assert.equal(code, CURL_TIMED_OUT, stderr);
  });
});
