import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { ActionWriter, type ApiServerClient, ApiServerSource, openApiClient, type WriteEvent } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { Pipeline } from './pipeline.ts';

const NAMESPACE = 'sluice-system';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces';
const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/default/ingresses';
const SERVICES = '/api/v1/namespaces/default/services';
const ADDRESS = [{ ip: '198.51.100.7', ipMode: 'VIP' }];

type Raw = Record<string, unknown>;

function newPipeline(): Pipeline {
  return new Pipeline({
    settings: DEFAULT_SETTINGS,
    ports: PORTS,
    placement: { kind: 'load-balancer', namespace: NAMESPACE },
    asOf: new Date(),
  });
}

/** A controller's pipeline and writer on a real API server, without anything that it serves. */
class Leader implements AsyncDisposable {
  readonly pipeline = newPipeline();
  readonly events: WriteEvent[] = [];
  readonly #client: ApiServerClient;
  readonly #writer: ActionWriter;
  readonly #abort = new AbortController();
  readonly #end: Promise<void>;

  constructor(client: ApiServerClient) {
    this.#client = client;
    this.#writer = new ActionWriter({ client, onEvent: (event) => this.events.push(event) });
    this.#writer.resume({ signal: this.#abort.signal, isHeld: () => true });
    this.#end = this.#follow();
  }

  /**
   * Waits until the condition holds and nothing is left to be done, and proves that somebody who sees the objects for the first time finds
   * nothing to do either.
   */
  async until(condition: () => Promise<void>): Promise<void> {
    await eventually(async () => {
      await condition();
      assert.deepEqual([...this.pipeline.model.actions.keys()], []);
    });
    await eventually(async () => assert.deepEqual(await this.#secondLook(), []));
    assert.deepEqual(
      this.events.filter(({ outcome }) => outcome.kind !== 'written' && outcome.kind !== 'superseded'),
      [],
    );
  }

  get codes(): readonly string[] {
    return this.pipeline.diagnostics().map(({ code, object }) => `${object?.kind}/${object?.name} ${code}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#end;
  }

  async #follow(): Promise<void> {
    for await (const batch of new ApiServerSource(this.#client).watch(this.#abort.signal)) {
      this.pipeline.apply(batch);
      this.#writer.update(this.pipeline.takeActions());
    }
  }

  async #secondLook(): Promise<readonly string[]> {
    const pipeline = newPipeline();
    const abort = new AbortController();
    for await (const batch of new ApiServerSource(this.#client).watch(abort.signal)) {
      pipeline.apply(batch);
      abort.abort();
    }
    return [...pipeline.model.actions.keys()];
  }
}

describe('what is done to a real API server', needs('cluster'), () => {
  let plane: ControlPlane;
  let client: ApiServerClient;
  let leader: Leader;

  before(async () => {
    plane = await ControlPlane.start({ controllerManager: true });
    client = openApiClient({ kubeconfig: plane.kubeconfig });
    await plane.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      ingressClass('cilium', 'cilium.io/ingress-controller'),
      ingressClass('other', 'example.com/other'),
    ]);
    await setNodes('192.0.2.1', '192.0.2.2');
    leader = new Leader(client);
  });
  after(async () => {
    await leader?.[Symbol.asyncDispose]();
    await client?.close();
    await plane?.[Symbol.asyncDispose]();
  });

  function ingressClass(name: string, controller: string): object {
    return { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name }, spec: { controller } };
  }

  async function setNodes(...addresses: readonly string[]): Promise<void> {
    const metadata = { name: 'sluice-nodes-1', namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': 'sluice-nodes' } };
    const endpoints = addresses.map((address) => ({ addresses: [address], nodeName: `node-${address}`, conditions: { ready: true } }));
    await plane.apply([{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports: [] }]);
  }

  async function put(name: string, annotations: Readonly<Record<string, string>> = {}, className = 'cilium'): Promise<void> {
    await plane.apply([ingressManifest(name, { rules: { [`${name}.test`]: 'web' }, annotations, className })]);
  }

  async function get(path: string): Promise<ReturnType<typeof JSON.parse>> {
    const { status, body } = await plane.request(path);
    assert.equal(status, 200, body);
    return JSON.parse(body);
  }

  async function isGone(path: string): Promise<void> {
    assert.equal((await plane.request(path)).status, 404);
  }

  /** As a load balancer does. */
  async function giveAddress(path: string, ingress: readonly object[] = ADDRESS): Promise<void> {
    const body = { status: { loadBalancer: { ingress } } };
    const answer = await plane.request(`${path}/status`, { method: 'PATCH', body, contentType: 'application/merge-patch+json' });
    assert.equal(answer.status, 200, answer.body);
  }

  async function addressesOf(name: string): Promise<readonly unknown[]> {
    const { status } = await get(`${INGRESSES}/${name}`);
    return status.loadBalancer.ingress ?? [];
  }

  const slice = (name: string) => `${SLICES}/default/endpointslices/cilium-ingress-${name}`;

  test('a dedicated Ingress gets a Service, a slice that names the nodes, and its address', async () => {
    await put('own');
    await leader.until(async () => {
      const { endpoints } = await get(slice('own'));
      assert.deepEqual(
        endpoints.map(({ addresses }: { readonly addresses: readonly string[] }) => addresses[0]),
        ['192.0.2.1', '192.0.2.2'],
      );
    });
    await giveAddress(`${SERVICES}/cilium-ingress-own`);
    await leader.until(async () => assert.deepEqual(await addressesOf('own'), [{ ip: '198.51.100.7' }]));
  });

  test('the status follows: ports and names, fewer addresses, none', async () => {
    const ports = [{ port: 80, protocol: 'TCP' }];
    const points = [{ hostname: 'lb.test', ports }, { ip: '2001:db8::1' }];
    for (const wanted of [points, points.slice(1), [], points]) {
      await giveAddress(`${SERVICES}/cilium-ingress-own`, wanted);
      await leader.until(async () => assert.deepEqual(await addressesOf('own'), wanted));
    }
  });

  test('a slice without endpoints stays, and remembers its port', async () => {
    const { ports } = await get(slice('own'));
    await setNodes();
    await leader.until(async () => assert.deepEqual((await get(slice('own'))).endpoints ?? [], []));
    assert.ok(leader.codes.includes('Service/sluice-nodes NoNodes'));
    await setNodes('192.0.2.1');
    await leader.until(async () => assert.equal((await get(slice('own'))).endpoints.length, 1));
    assert.deepEqual((await get(slice('own'))).ports, ports);
  });

  test('more than 1,000 nodes are told in several slices', async () => {
    const of = (count: number) => Array.from({ length: count }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    const [first, second] = [of(1_000), of(1_100).slice(1_000)];
    await setNodes(...first);
    const labels = { 'kubernetes.io/service-name': 'sluice-nodes' };
    const endpoints = second.map((address) => ({ addresses: [address], conditions: { ready: true } }));
    const metadata = { name: 'sluice-nodes-2', namespace: NAMESPACE, labels };
    await plane.apply([{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports: [] }]);
    const list = `${SLICES}/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dcilium-ingress-own`;
    const sizes = async () => {
      const { items } = await get(list);
      return items.map((item: { readonly endpoints?: readonly unknown[] }) => item.endpoints?.length ?? 0);
    };
    await leader.until(async () => {
      const found: readonly number[] = await sizes();
      assert.equal(found.length, 2);
      assert.equal(
        found.reduce((sum, size) => sum + size, 0),
        1_100,
      );
    });
    await plane.request(`${SLICES}/${NAMESPACE}/endpointslices/sluice-nodes-2`, { method: 'DELETE' });
    await setNodes('192.0.2.1');
    await leader.until(async () => assert.deepEqual(await sizes(), [1]));
  });

  test('shared Ingresses get one Service, which stays when they are gone', async () => {
    const service = `/api/v1/namespaces/${NAMESPACE}/services/cilium-ingress`;
    await put('one', { 'loadbalancer-mode': 'shared' });
    await put('two', { 'loadbalancer-mode': 'shared' });
    await leader.until(async () => void (await get(service)));
    await giveAddress(service);
    await leader.until(async () => {
      for (const name of ['one', 'two']) assert.deepEqual(await addressesOf(name), [{ ip: '198.51.100.7' }]);
    });
    await plane.kubectl('delete', 'ingress', 'one', 'two');
    await leader.until(async () => void (await get(service)));
    assert.deepEqual((await get(service)).status.loadBalancer.ingress, ADDRESS);
  });

  test('a change of mode takes the Service away, and back', async () => {
    await put('own', { 'loadbalancer-mode': 'shared' });
    await leader.until(async () => {
      await isGone(`${SERVICES}/cilium-ingress-own`);
      await isGone(slice('own'));
      assert.deepEqual(await addressesOf('own'), [{ ip: '198.51.100.7' }]);
    });
    await put('own', { 'loadbalancer-mode': 'dedicated' });
    await leader.until(async () => {
      await get(`${SERVICES}/cilium-ingress-own`);
      assert.deepEqual(await addressesOf('own'), []);
    });
  });

  test('types, policies and node ports of a Service change as asked, and what the API server fills in is no difference', async () => {
    const service = `${SERVICES}/cilium-ingress-own`;
    const specs: readonly (readonly [annotations: Readonly<Record<string, string>>, expected: Raw])[] = [
      [
        { 'service-type': 'NodePort', 'insecure-node-port': '30123' },
        { type: 'NodePort', externalTrafficPolicy: 'Cluster' },
      ],
      [{ 'service-type': 'ClusterIP' }, { type: 'ClusterIP', externalTrafficPolicy: undefined }],
      [
        { 'loadbalancer-class': 'example.com/lb', 'service-external-traffic-policy': 'Local' },
        { type: 'LoadBalancer', loadBalancerClass: 'example.com/lb', externalTrafficPolicy: 'Local' },
      ],
      [{}, { type: 'LoadBalancer', loadBalancerClass: 'example.com/lb', externalTrafficPolicy: 'Cluster' }],
      [{ 'service-type': 'NodePort' }, { type: 'NodePort', loadBalancerClass: undefined }],
      [{}, { type: 'LoadBalancer', loadBalancerClass: undefined }],
    ];
    for (const [annotations, expected] of specs) {
      await put('own', annotations);
      await leader.until(async () => {
        const { spec } = await get(service);
        for (const [field, value] of Object.entries(expected)) assert.equal(spec[field], value, field);
      });
    }
  });

  test('what Cilium made is taken over with its address, class and node ports', async () => {
    for (const [name, controls] of [
      ['newer', true],
      ['older', false],
    ] as const) {
      await put(name, {}, 'other');
      const { metadata } = await get(`${INGRESSES}/${name}`);
      const owner = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name, uid: metadata.uid, ...(controls && { controller: true }) };
      const service = `cilium-ingress-${name}`;
      const own = { name: service, namespace: 'default', labels: { 'cilium.io/ingress': 'true' }, ownerReferences: [owner] };
      const ports = [80, 443].map((port) => ({ name: port === 80 ? 'http' : 'https', port, protocol: 'TCP' }));
      const spec = { type: 'LoadBalancer', loadBalancerClass: 'io.cilium/l2-announcer', ports };
      const body = { apiVersion: 'v1', kind: 'Service', metadata: own, spec };
      const made = await plane.request(`${SERVICES}?fieldManager=cilium-operator`, { method: 'POST', body });
      assert.equal(made.status, 201, made.body);
      const subsets = [{ addresses: [{ ip: '192.192.192.192' }], ports: [{ port: 9999 }] }];
      const endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata: own, subsets };
      const told = await plane.request('/api/v1/namespaces/default/endpoints', { method: 'POST', body: endpoints });
      assert.equal(told.status, 201, told.body);
      await giveAddress(`${SERVICES}/${service}`);
      const before = await get(`${SERVICES}/${service}`);
      await put(name);
      await leader.until(async () => {
        const { metadata: taken, spec: now } = await get(`${SERVICES}/${service}`);
        assert.equal(taken.uid, before.metadata.uid);
        assert.equal(taken.labels['app.kubernetes.io/managed-by'], 'sluice');
        assert.deepEqual([taken.ownerReferences.length, taken.ownerReferences[0].controller], [1, true]);
        assert.deepEqual(now, before.spec);
        assert.deepEqual(await addressesOf(name), [{ ip: '198.51.100.7' }]);
      });
    }
  });

  test('a headless Service, as of the host network mode of Cilium, is replaced by one that a load balancer serves', async () => {
    await put('headless', {}, 'other');
    const { metadata } = await get(`${INGRESSES}/headless`);
    const owner = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'headless', uid: metadata.uid, controller: true };
    const own = {
      name: 'cilium-ingress-headless',
      namespace: 'default',
      labels: { 'cilium.io/ingress': 'true' },
      ownerReferences: [owner],
    };
    const spec = { type: 'ClusterIP', clusterIP: 'None', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] };
    const made = await plane.request(SERVICES, { method: 'POST', body: { apiVersion: 'v1', kind: 'Service', metadata: own, spec } });
    assert.equal(made.status, 201, made.body);
    const asBalancer = { spec: { type: 'LoadBalancer' } };
    const merge = { method: 'PATCH', body: asBalancer, contentType: 'application/merge-patch+json' };
    assert.equal((await plane.request(`${SERVICES}/cilium-ingress-headless`, merge)).status, 422);
    await put('headless');
    await leader.until(async () => {
      const { spec: now } = await get(`${SERVICES}/cilium-ingress-headless`);
      assert.equal(now.type, 'LoadBalancer');
      assert.match(now.clusterIP, /^\d/);
    });
  });

  const mirrored = async (): Promise<readonly { readonly name: string; readonly ports: readonly { readonly name: string }[] }[]> => {
    const selector = 'endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io';
    const { items } = await get(`${SLICES}/default/endpointslices?labelSelector=${encodeURIComponent(selector)}`);
    return items
      .map(
        ({ metadata, ports }: { readonly metadata: { readonly name: string }; readonly ports: readonly { readonly name: string }[] }) => ({
          name: metadata.name,
          ports,
        }),
      )
      .filter(({ name }: { readonly name: string }) => name.startsWith('cilium-ingress-older'));
  };

  test("the slice that Kubernetes mirrors from Cilium's Endpoints has a port without a name, and is left alone", async () => {
    await leader.until(async () => {
      const [only, ...others] = await mirrored();
      assert.deepEqual([only?.ports.map(({ name }) => name), others], [[''], []]);
    });
    assert.deepEqual(
      leader.codes.filter((code) => code.endsWith('ForeignEndpoints')),
      [],
    );
  });

  test('one with a port of that name is told', async () => {
    const body = { subsets: [{ addresses: [{ ip: '192.192.192.192' }], ports: [{ name: 'http', port: 9999 }] }] };
    const path = '/api/v1/namespaces/default/endpoints/cilium-ingress-older';
    await plane.request(path, { method: 'PATCH', body, contentType: 'application/merge-patch+json' });
    await leader.until(async () => assert.ok(leader.codes.includes('Ingress/older ForeignEndpoints'), leader.codes.join()));
    await plane.request(path, { method: 'DELETE' });
    await leader.until(async () => assert.ok(!leader.codes.includes('Ingress/older ForeignEndpoints')));
  });

  test("somebody else's Service is not touched", async () => {
    const body = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'cilium-ingress-taken' }, spec: { ports: [{ port: 5432 }] } };
    await plane.request(SERVICES, { method: 'POST', body });
    const before = await get(`${SERVICES}/cilium-ingress-taken`);
    await put('taken');
    await leader.until(async () => assert.ok(leader.codes.includes('Ingress/taken ServiceNameTaken'), leader.codes.join()));
    assert.deepEqual(await get(`${SERVICES}/cilium-ingress-taken`), before);
    await isGone(slice('taken'));
  });

  test('an Ingress given to another controller loses its Service and the address of that', async () => {
    await giveAddress(`${SERVICES}/cilium-ingress-own`);
    await leader.until(async () => assert.deepEqual(await addressesOf('own'), [{ ip: '198.51.100.7' }]));
    await put('own', {}, 'other');
    await leader.until(async () => {
      await isGone(`${SERVICES}/cilium-ingress-own`);
      await isGone(slice('own'));
      assert.deepEqual(await addressesOf('own'), []);
    });
  });

  test('a deleted Ingress takes with it what is its own', async () => {
    await plane.kubectl('delete', 'ingress', 'newer');
    await leader.until(async () => {
      await isGone(`${SERVICES}/cilium-ingress-newer`);
      await isGone(slice('newer'));
    });
  });

  test('a long name and one with dots give Services that the API server takes', async () => {
    for (const name of ['a'.repeat(200), 'shop.example.com']) await put(name);
    await leader.until(async () => {
      const { items } = await get(SERVICES);
      const names = items.map(({ metadata }: { readonly metadata: { readonly name: string } }) => metadata.name);
      assert.equal(names.filter((name: string) => /^cilium-ingress-(?:a{37}|shop-example-com)-/.test(name)).length, 2, names.join());
    });
  });
});
