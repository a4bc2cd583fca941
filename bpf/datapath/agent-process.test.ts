import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SubjectPolicy } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { cleanUpDatapath } from './index.ts';
import type { AgentAnswer, AgentWork } from './testing/agent-process.ts';
import { allow, CLIENT, CLOSED, closedBut, OPEN, WEB } from './testing/judged.ts';
import { PodNetwork, type TestPod } from './testing/pod-network.ts';
import { Talker } from './testing/talker.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const AGENT = fileURLToPath(new URL('testing/agent-process.ts', import.meta.url));
const PORT = 8080;
const OTHER_PORT = 8081;
const STREAMS = 100;
/** All that the agent needs. Loading takes CAP_BPF and CAP_PERFMON, devices CAP_NET_ADMIN. */
const NEEDED = ['bpf', 'net_admin', 'perfmon'] as const;

describe('the process of an agent', needs('root'), () => {
  let network: PodNetwork;
  let pods: readonly [web: TestPod, client: TestPod];
  let talkers: readonly [server: Talker, asker: Talker];
  let agents: ChildProcess[] = [];

  before(async () => {
    network = new PodNetwork();
    pods = [await network.addPod('web', 1), await network.addPod('client', 2)];
    talkers = [new Talker(pods[0]), new Talker(pods[1])];
    for (const port of [PORT, OTHER_PORT]) await talkers[0].listen(port);
  });
  after(() => {
    for (const part of [...(talkers ?? []), network]) part?.[Symbol.dispose]();
  });
  afterEach(async () => {
    for (const agent of agents) await kill(agent);
    agents = [];
    cleanUpDatapath(PINS);
  });

  function workWith(policies: readonly SubjectPolicy[]): AgentWork {
    const identities = [WEB, CLIENT];
    return {
      pinFolder: PINS,
      policies,
      addresses: pods.flatMap(({ addresses }, index) =>
        addresses.map((address) => ({ prefix: `${address}/${address.includes(':') ? 128 : 32}`, identity: identities[index] ?? 0 })),
      ),
      endpoints: pods.map(({ ifindex, addresses }, index) => [ifindex, { identity: identities[index] ?? 0, addresses }]),
    };
  }

  /** @param capabilities of setpriv's names; default: all */
  async function start(
    work: AgentWork,
    capabilities?: readonly string[],
  ): Promise<{ readonly agent: ChildProcess; readonly answer: AgentAnswer }> {
    const kept = capabilities === undefined ? [] : ['-all', ...capabilities.map((name) => `+${name}`)];
    const sets = kept.length > 0 ? [`--bounding-set=${kept.join(',')}`, `--inh-caps=${kept.join(',')}`] : [];
    const agent = spawn('setpriv', ['--pdeathsig', 'KILL', ...sets, process.execPath, AGENT], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    agents.push(agent);
    const answered = once(agent, 'message');
    agent.send(work);
    const [answer] = await answered;
    return { agent, answer };
  }

  async function kill(agent: ChildProcess): Promise<void> {
    if (agent.exitCode !== null || agent.signalCode !== null) return;
    const ended = once(agent, 'exit');
    agent.kill('SIGKILL');
    await ended;
  }

  const strict: readonly SubjectPolicy[] = [
    { subject: WEB, ingress: closedBut(allow(CLIENT, PORT)), egress: CLOSED },
    { subject: CLIENT, ingress: CLOSED, egress: OPEN },
  ];

  test('may be killed and replaced under streams and new connections: none that is allowed is harmed, none that is denied passes', async () => {
    const [web] = pods;
    const [, asker] = talkers;
    let { agent, answer } = await start(workWith(strict));
    assert.deepEqual(answer, { kind: 'done' });
    await asker.keepTalking(web.addresses[0], PORT, STREAMS);
    const other = new Talker(pods[1]);
    try {
      for (let times = 0; times < 3; times += 1) {
        await kill(agent);
        assert.ok(await other.hears(web.addresses[0], PORT));
        assert.ok(await other.hearsNothing(web.addresses[1], OTHER_PORT));
        ({ agent, answer } = await start(workWith(strict)));
        assert.deepEqual(answer, { kind: 'done' });
        assert.ok(await other.hearsNothing(web.addresses[0], OTHER_PORT));
      }
    } finally {
      other[Symbol.dispose]();
    }
    const { streamed, connected, failed } = await asker.stopTalking();
    assert.equal(failed, 0);
    assert.ok(streamed > STREAMS && connected > 0, `${streamed} answers, ${connected} connections`);
  });

  test('that comes back with other verdicts puts them in force, and ends what they deny', async () => {
    const [web] = pods;
    const [, asker] = talkers;
    const first = await start(workWith(strict));
    await asker.keepTalking(web.addresses[0], PORT, 2);
    await kill(first.agent);
    await start(workWith([{ subject: WEB, ingress: closedBut(allow(CLIENT, OTHER_PORT)), egress: CLOSED }, ...strict.slice(1)]));
    const other = new Talker(pods[1]);
    assert.ok(await other.hears(web.addresses[0], OTHER_PORT));
    assert.ok(await other.hearsNothing(web.addresses[0], PORT));
    other[Symbol.dispose]();
    const { failed } = await asker.stopTalking();
    assert.ok(failed >= 2, `${failed} failed`);
  });

  test('needs three capabilities and no others', async () => {
    const { answer } = await start(workWith(strict), NEEDED);
    assert.deepEqual(answer, { kind: 'done' });
  });

  for (const missing of NEEDED) {
    test(`is told where it lacks CAP_${missing.toUpperCase()}`, async () => {
      const { answer } = await start(
        workWith(strict),
        NEEDED.filter((name) => name !== missing),
      );
      assert.equal(answer.kind === 'failed' && answer.code, 'refused', JSON.stringify(answer));
    });
  }
});
