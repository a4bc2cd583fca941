import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ControlPlane } from '../conformance/lab/control-plane.ts';
import { type ApiClient, ApiServerSource, openApiClient } from '../kube/index.ts';

/**
 * How long it takes to read a real API server, and how much memory: `.setup/node bench/api-server.ts`. 5,000 Ingresses, 20,000
 * endpoints of 1,000 Services, and 2,000 Secrets, of which none is wanted.
 */
const SIZE = { ingresses: 5_000, services: 1_000, endpointsPerService: 20, secrets: 2_000 };
const RUNS = 3;
const WRITERS = 16;
const NAMESPACE = 'default';

const [kubeconfig] = process.argv.slice(2);
if (kubeconfig === undefined) await measure();
else await read(kubeconfig);

async function measure(): Promise<void> {
  await using plane = await ControlPlane.start();
  const client = openApiClient({ kubeconfig: plane.kubeconfig });
  await create(client);
  await client.close();
  for (let run = 0; run < RUNS; run++) {
    const args = ['--expose-gc', fileURLToPath(import.meta.url), plane.kubeconfig];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    console.log(stdout.trim());
  }
}

/** In a process of its own. */
async function read(path: string): Promise<void> {
  const client = openApiClient({ kubeconfig: path });
  const before = process.memoryUsage().rss;
  const began = performance.now();
  const abort = new AbortController();
  for await (const { upserts, timing } of new ApiServerSource(client).watch(abort.signal)) {
    const tookMs = performance.now() - began;
    const peak = process.resourceUsage().maxRSS * 1024;
    globalThis.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    const megabytes = (bytes: number) => `${Math.round(bytes / 1_000_000)} MB`;
    console.log(
      `${upserts.length} objects in ${Math.round(tookMs)} ms, ${Math.round(timing.readMs)} ms of it decoding; resident ` +
        `${megabytes(before)} before, ${megabytes(peak)} at most, ${megabytes(rss)} after; heap in use ${megabytes(heapUsed)}`,
    );
    abort.abort();
  }
  await client.close();
}

async function create(client: ApiClient): Promise<void> {
  const wanted = [...manifests()].values();
  const write = async () => {
    for (const { path, body } of wanted) await client.request({ method: 'POST', path, body });
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}

function* manifests(): Generator<{ readonly path: string; readonly body: object }> {
  const core = `/api/v1/namespaces/${NAMESPACE}`;
  const networking = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}`;
  const discovery = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}`;
  for (let index = 0; index < SIZE.ingresses; index++) {
    const backend = { service: { name: `svc-${index % SIZE.services}`, port: { number: 80 } } };
    const http = { paths: [{ path: '/', pathType: 'Prefix', backend }] };
    const spec = { ingressClassName: 'cilium', rules: [{ host: `app-${index}.bench.test`, http }] };
    yield { path: `${networking}/ingresses`, body: { metadata: { name: `app-${index}` }, spec } };
  }
  for (let index = 0; index < SIZE.services; index++) {
    const spec = { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] };
    yield { path: `${core}/services`, body: { metadata: { name: `svc-${index}` }, spec } };
    const endpoints = Array.from({ length: SIZE.endpointsPerService }, (_, endpoint) => ({
      addresses: [`10.${index >> 8}.${index & 255}.${endpoint + 1}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${endpoint}`,
      targetRef: { kind: 'Pod', namespace: NAMESPACE, name: `svc-${index}-${endpoint}` },
    }));
    const metadata = { name: `svc-${index}-1`, labels: { 'kubernetes.io/service-name': `svc-${index}` } };
    const body = { addressType: 'IPv4', metadata, endpoints, ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] };
    yield { path: `${discovery}/endpointslices`, body };
  }
  for (let index = 0; index < SIZE.secrets; index++) {
    const body = { metadata: { name: `secret-${index}` }, stringData: { value: 'x'.repeat(2_000) } };
    yield { path: `${core}/secrets`, body };
  }
}
