import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type HttpLoad, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { SteeredLab } from './steered-lab.ts';

/** As long as a kubelet takes until the API server knows a pod's address. */
const TOLD_AFTER_MS = 1_000;
/** Of connections that are kept to a pod, and used first when another has its address. */
const KEPT = 4;
const PATHS = ['/alpha', '/beta'] as const;
const MIN_ALLOWED = 600;
const MIN_DENIED = 1_000;

/** By their label `app`, what is allowed of them to callers and by them to the server that stays; nothing at all where it is missing. */
const ALLOWED: Readonly<Record<string, string | undefined>> = { alpha: '/alpha', beta: '/beta' };
/** One after the other at one address. */
const APPS = ['alpha', 'beta', 'alpha', 'closed', 'alpha', 'beta', 'closed', 'beta'] as const;
/** What happens first: nobody is told of the old pod any more, or its device is another pod's. */
const ORDERS = ['object', 'device'] as const;

const POLICIES = [
  ...Object.entries(ALLOWED).flatMap(([name, path = '']) => [
    ciliumPolicy({ name, app: name, ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ path }])] }] }),
    ciliumPolicy({ name: `of-${name}`, app: 'stable', ingress: [{ fromEndpoints: app(name), toPorts: [tcpPort(80, [{ path }])] }] }),
  ]),
  ciliumPolicy({ name: 'closed', app: 'closed', ingress: [{ fromEndpoints: app('nobody') }] }),
];

const NODES = ['node-1', 'node-2'] as const;

describe("a pod's address that is reused at once", needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    const stay = NODES.flatMap((node) => [
      { name: `client-${node}`, node, labels: { app: 'client' } },
      { name: `stable-${node}`, node, labels: { app: 'stable' } },
    ]);
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: [...stay, pod(0, 'alpha')] }));
    await Promise.all(NODES.map((node) => lab.peer(`stable-${node}`).serve()));
    await lab.set('policies', POLICIES);
  });
  after(() => cleanUp.disposeAsync());

  test('lets nobody by who was allowed to the old one only, or whom the old one was allowed to', { timeout: 300_000 }, async (t) => {
    await lab.peer(nameOf(0)).serve();
    const address = lab.lab.pod(nameOf(0)).addresses.ipv4;
    for (const node of NODES) {
      for (const path of PATHS) {
        await lab.peer(`client-${node}`).begin(`kept ${path}`, { to: address, path, connection: path, timeoutMs: 300 });
        await lab.peer(`client-${node}`).begin(`anew ${path}`, { to: address, path, timeoutMs: 300 });
      }
    }
    const told: HttpLoad[] = [];
    let reused = 0;
    let generation = 0;
    await callOn(generation);
    await untilAllowed(address, generation, ALLOWED['alpha']);
    for (const order of ORDERS) {
      for (const next of APPS) {
        const last = generation++;
        const kept = await keep(address, last);
        told.push(...(await endOf(last)));
        if (order === 'object') lab.withdraw(nameOf(last));
        await lab.removePod(nameOf(last));
        lab.announceUnaddressed(pod(generation, next));
        await lab.lab.addPods({ name: nameOf(generation), node: 'node-1', addressesOf: nameOf(last) });
        await lab.peer(nameOf(generation)).serve();
        await callOn(generation);
        // In its first second, and once everybody knows.
        reused += countAnswered(await Promise.all(kept.slice(0, KEPT / 2).map((ask) => ask())));
        await sleep(TOLD_AFTER_MS);
        lab.withdraw(nameOf(last));
        lab.announce(pod(generation, next));
        reused += countAnswered(await Promise.all(kept.slice(KEPT / 2).map((ask) => ask())));
        await untilAllowed(address, generation, ALLOWED[next]);
      }
    }
    told.push(...(await endOf(generation)));
    const loads = NODES.flatMap((node) =>
      PATHS.flatMap((path) => ['kept', 'anew'].map((kind) => lab.peer(`client-${node}`).end(`${kind} ${path}`))),
    );
    told.push(...(await Promise.all(loads)));
    const count = (isIt: (word: string) => boolean) =>
      told.flatMap(({ outcomes }) => Object.entries(outcomes)).reduce((sum, [word, times]) => sum + (isIt(word) ? times : 0), 0);
    const [allowed, denied] = [count((word) => word === '200'), count((word) => word !== '200')];
    t.diagnostic(
      `${generation} pods at one address: ${allowed} requests allowed, ${denied} not (${count((word) => word === '403')} with 403)`,
    );
    t.diagnostic(`${reused} of those who had kept a connection to an old pod got an answer to their next request, allowed or not`);
    assert.ok(allowed >= MIN_ALLOWED, `only ${allowed} allowed requests`);
    assert.ok(denied >= MIN_DENIED, `only ${denied} denied requests`);
  });

  /** Begins requests of a pod to servers that stay, from its first moment. */
  async function callOn(generation: number): Promise<void> {
    for (const node of NODES) {
      const to = lab.lab.pod(`stable-${node}`).addresses.ipv4;
      for (const path of PATHS) {
        const headers = { 'x-caller': nameOf(generation) };
        await lab.peer(nameOf(generation)).begin(`${node} ${path}`, { to, path, headers, timeoutMs: 300 });
        await lab.peer(nameOf(generation)).begin(`${node} ${path} kept`, { to, path, headers, connection: path + node, timeoutMs: 300 });
      }
    }
  }

  /** Ends these, and looks at what got to whom. */
  async function endOf(generation: number): Promise<readonly HttpLoad[]> {
    const peer = lab.peer(nameOf(generation));
    const loads = NODES.flatMap((node) => PATHS.flatMap((path) => [`${node} ${path}`, `${node} ${path} kept`]));
    const ended = await Promise.all(loads.map((load) => peer.end(load)));
    const name = appOf(generation);
    const expected = [ALLOWED[name] ?? []].flat();
    const came = new Set((await peer.served()).map(({ path }) => path));
    assert.deepEqual([...came], expected, `what got to ${nameOf(generation)}, ${name}`);
    for (const node of NODES) {
      const served = await lab.peer(`stable-${node}`).served();
      const paths = new Set(served.filter(({ headers }) => headers['x-caller'] === nameOf(generation)).map(({ path }) => path));
      assert.deepEqual([...paths], expected, `what ${nameOf(generation)}, ${name}, got to on ${node}`);
    }
    return ended;
  }

  /** Opens connections to a pod. @returns what asks on each of them again, for what is allowed of the pod */
  async function keep(address: string, generation: number): Promise<readonly (() => Promise<HttpOutcome>)[]> {
    const path = ALLOWED[appOf(generation)];
    if (path === undefined) return Array.from({ length: KEPT }, () => async () => ({ failed: 'never opened' }));
    const asks = Array.from({ length: KEPT }, (_, index) => {
      const client = lab.peer(`client-${NODES[index % NODES.length]}`);
      return (timeoutMs: number) => client.ask({ to: address, path, connection: `of ${generation} ${index}`, timeoutMs });
    });
    for (const ask of asks) assert.equal(seenBy(await ask(10_000)).server, nameOf(generation));
    return asks.map((ask) => () => ask(300));
  }

  async function untilAllowed(to: string, generation: number, allowed: string | undefined): Promise<void> {
    for (const node of NODES) {
      for (const path of PATHS) {
        const expected = allowed === undefined ? 'timeout' : path === allowed ? '200' : '403';
        const headers = { 'x-caller': nameOf(generation) };
        const word = async (from: string, server: string) =>
          wordOf(await lab.peer(from).ask({ to: server, path, headers, timeoutMs: 500 }));
        await eventually(async () => assert.equal(await word(`client-${node}`, to), expected, `${node} ${path}`));
        const stable = lab.lab.pod(`stable-${node}`).addresses.ipv4;
        await eventually(async () => assert.equal(await word(nameOf(generation), stable), expected, `${path} of ${node}`));
      }
    }
  }
});

function nameOf(generation: number): string {
  return `reused-${generation}`;
}

function appOf(generation: number): string {
  return generation === 0 ? 'alpha' : (APPS[(generation - 1) % APPS.length] ?? '');
}

function pod(generation: number, name: string) {
  return { name: nameOf(generation), node: 'node-1', labels: { app: name } };
}

function countAnswered(outcomes: readonly HttpOutcome[]): number {
  return outcomes.filter((outcome) => !('failed' in outcome)).length;
}
