import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type HttpLoad, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { SteeredLab } from './steered-lab.ts';

const LASTS_MS = 60_000;
/** From the beginning of one kill to that of the next. */
const EVERY_MS = 7_500;
const MIN_ALLOWED = 4_000;
const MIN_DENIED = 2_000;
const MIN_CHANGES = 40;
/** Of each. */
const MIN_KILLS = 3;

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'stranger', node: 'node-2', labels: { app: 'stranger' } },
  { name: 'web', node: 'node-1', labels: { app: 'web' } },
  { name: 'bystander', node: 'node-1', labels: { app: 'bystander' } },
] as const;

/** @param extra paths that change, beside the one that stays */
const policyOfWeb = (extra: readonly string[]) =>
  ciliumPolicy({
    name: 'web',
    app: 'web',
    ingress: [
      { fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ method: 'GET', path: '/allowed' }, ...extra.map((path) => ({ path }))])] },
    ],
  });
const policyOfBystander = (port: number) =>
  ciliumPolicy({ name: 'bystander', app: 'bystander', ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(port, [{}])] }] });

/** When Envoy was away; milliseconds since 1970. */
interface Away {
  readonly from: number;
  readonly until: number;
}

describe('requests while everything changes and ends', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
    await lab.peer('web').serve();
    await lab.set('web', [policyOfWeb([])]);
  });
  after(() => cleanUp.disposeAsync());

  test('fail only with Envoy, and none that is denied gets through', { timeout: 4 * LASTS_MS }, async (t) => {
    const { ipv4: to } = lab.lab.pod('web').addresses;
    const [client, stranger] = [lab.peer('client'), lab.peer('stranger')];
    await client.begin('keep-alive', { to, path: '/allowed', connection: 'kept' });
    await client.begin('new connections', { to, path: '/allowed' });
    await client.begin('HTTP/2', { to, path: '/allowed', protocol: 'http2', connection: 'two' });
    await client.begin('denied', { to, path: '/denied', connection: 'denied' });
    await client.begin('denied anew', { to, path: '/allowed', method: 'POST' });
    await stranger.begin('a stranger', { to, path: '/allowed', timeoutMs: 300 });
    const kills = killInTurn(lab, Date.now() + LASTS_MS);
    const ended = new AbortController();
    const others = Promise.all([changeOn(lab, ended.signal), comeAndGo(lab, ended.signal)]);
    const away = await kills.finally(async () => {
      ended.abort();
      await Promise.allSettled([others]);
    });
    const [changes, newcomers] = await others;
    const allowed = await Promise.all(['keep-alive', 'new connections', 'HTTP/2'].map((load) => client.end(load)));
    const denied = [await client.end('denied'), await client.end('denied anew'), await stranger.end('a stranger')];
    tell(t, { changes, away, newcomers, allowed, denied });

    const failures = allowed.flatMap((load) => load.failures).filter((failure) => !away.some((each) => overlaps(failure, each)));
    assert.deepEqual(failures, [], 'requests failed while Envoy was there');
    assert.deepEqual(
      [...new Set(allowed.flatMap(answersOf))].filter((word) => !word.startsWith('5')),
      ['200'],
    );
    assert.deepEqual(
      denied.flatMap(answersOf).filter((word) => word.startsWith('2')),
      [],
    );
    const paths = new Set((await lab.peer('web').served()).map(({ method, path, from }) => `${method} ${path} ${from}`));
    assert.deepEqual([...paths], [`GET /allowed ${lab.lab.pod('client').addresses.ipv4}`], 'what reached the server');
    assert.ok(away.every(({ from, until: back }) => back - from < 10_000));
    assert.ok(countOf(allowed, '200') >= MIN_ALLOWED, `only ${countOf(allowed, '200')} allowed requests`);
    assert.ok(countOf(denied, '403') >= MIN_DENIED, `only ${countOf(denied, '403')} denied requests`);
    assert.ok(changes >= MIN_CHANGES, `only ${changes} changes`);
    assert.ok(newcomers >= 3, `only ${newcomers} pods came`);
  });
});

/** Edits rules of the slot that requests go by, and makes and ends slots of others. @returns how often */
async function changeOn(lab: SteeredLab, ended: AbortSignal): Promise<number> {
  let changes = 0;
  for (; !ended.aborted; changes += 2) {
    lab.write('web', [policyOfWeb(changes % 4 === 0 ? [`/other-${changes}`] : [])]);
    await sleep(400);
    lab.write('bystander', changes % 6 === 0 ? [] : [policyOfBystander(8_000 + changes)]);
    await sleep(400);
  }
  return changes;
}

/** Kills Sluice and Envoy of the server's node in turn, which are started anew. @returns when Envoy was away */
async function killInTurn(lab: SteeredLab, until: number): Promise<Away[]> {
  const away: Away[] = [];
  for (let turn = 0; Date.now() < until || away.length < MIN_KILLS; turn++) {
    await sleep(EVERY_MS);
    const sluice = lab.sluices.get('node-1');
    if (turn % 2 === 0) {
      await sluice?.kill();
      await lab.startSluice('node-1');
    } else {
      const from = Date.now();
      await sluice?.killEnvoy();
      await eventually(async () => assert.equal(wordOf(await lab.peer('client').ask({ to: addressOfWeb(lab), path: '/allowed' })), '200'));
      away.push({ from, until: Date.now() });
    }
  }
  return away;
}

/** Pods come that may not talk to the server, and try from their first moment on. @returns how many */
async function comeAndGo(lab: SteeredLab, ended: AbortSignal): Promise<number> {
  let count = 0;
  for (; !ended.aborted; count++) {
    const name = `newcomer-${count}`;
    await lab.lab.addPods({ name, node: 'node-1' });
    await lab.peer(name).begin('at once', { to: addressOfWeb(lab), path: '/allowed', timeoutMs: 300 });
    await sleep(1_000);
    lab.announce({ name, node: 'node-1', labels: { app: 'newcomer' } });
    await sleep(3_000);
    const { outcomes } = await lab.peer(name).end('at once');
    assert.deepEqual(
      Object.keys(outcomes).filter((word) => word.startsWith('2')),
      [],
      `${name} got through`,
    );
    await lab.forget(name);
  }
  return count;
}

function addressOfWeb(lab: SteeredLab): string {
  return lab.lab.pod('web').addresses.ipv4;
}

function overlaps(a: Away, b: Away): boolean {
  return a.from <= b.until && b.from <= a.until;
}

function answersOf({ outcomes }: HttpLoad): string[] {
  return Object.keys(outcomes).filter((word) => /^\d/.test(word));
}

function countOf(loads: readonly HttpLoad[], word: string): number {
  return loads.reduce((sum, { outcomes }) => sum + (outcomes[word] ?? 0), 0);
}

interface Told {
  readonly changes: number;
  readonly away: readonly Away[];
  readonly newcomers: number;
  readonly allowed: readonly HttpLoad[];
  readonly denied: readonly HttpLoad[];
}

function tell(t: TestContext, { changes, away, newcomers, allowed, denied }: Told): void {
  const failed = allowed.reduce((sum, { failures }) => sum + failures.length, 0);
  t.diagnostic(`${countOf(allowed, '200')} requests allowed, ${failed} failed; ${countOf(denied, '403')} denied with 403`);
  const kinds = Object.entries(
    Object.groupBy(
      allowed.flatMap(({ failures }) => failures),
      ({ word }) => word,
    ),
  );
  for (const [word, all = []] of kinds) t.diagnostic(`${all.length} times ${word}`);
  t.diagnostic(
    `${changes} changes of policies, ${newcomers} pods came; Envoy away for ${away.map((each) => each.until - each.from).join(', ')} ms`,
  );
}
