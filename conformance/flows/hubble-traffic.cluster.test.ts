import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { WITH_TIME_TO_BUILD } from '../lab/go-program.ts';
import { wordOf } from '../layer7/http-peer.ts';
import { app, ciliumPolicy, tcpPort } from '../layer7/policies.ts';
import { SteeredLab } from '../layer7/steered-lab.ts';
import { HubbleClient, hubbleBinary } from './hubble-cli.ts';

const PODS = ['client', 'other', 'web'].map((name) => ({ name, labels: { app: name } }));
const WEB = 'default/web:80';

const lineView = z.object({
  node_name: z.string(),
  time: z.string(),
  flow: z.object({
    verdict: z.string(),
    drop_reason_desc: z.string().optional(),
    source: z.object({ pod_name: z.string(), labels: z.array(z.string()) }),
    destination: z.object({ pod_name: z.string() }),
    l4: z.object({ TCP: z.object({ destination_port: z.int() }) }),
  }),
});

/** One who may, and one who may not. */
describe("Hubble's own client, asked for what a node has seen", {
  ...needs('cluster', 'root', 'netns', 'envoy', 'bpf'),
  ...WITH_TIME_TO_BUILD,
}, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  let hubble: HubbleClient;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods: PODS }));
    await lab.peer('web').serve();
    await lab.set('policies', [
      ciliumPolicy({ name: 'web', app: 'web', ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80)] }] }),
    ]);
    const server = `unix://${join(lab.folderOf('node-1'), 'state', 'flows.sock')}`;
    hubble = new HubbleClient(await hubbleBinary(() => {}), ['--server', server]);
    assert.equal(await ask('client'), '200');
    assert.equal(await ask('other'), 'timeout');
    await eventually(async () => {
      assert.match(await hubble.tell('observe --from-pod client --to-pod web'), / FORWARDED /);
      assert.match(await hubble.tell('observe --from-pod other --to-pod web'), / DROPPED /);
    });
  }, WITH_TIME_TO_BUILD);
  after(() => cleanUp.disposeAsync());

  async function ask(from: string): Promise<string> {
    return wordOf(await lab.peer(from).ask({ to: lab.lab.pod('web').addresses.ipv4 }));
  }

  test('how the node is', async () => {
    assert.match(await hubble.tell('status'), /^Healthcheck \(via unix:.*\): Ok\nCurrent\/Max Flows: \d+\/4,096 \(\d+\.\d+%\)\nFlows\/s: /);
  });

  test('which nodes and namespaces there are', async () => {
    assert.match(await hubble.tell('list nodes'), /^NAME .*\ndefault\/node-1 +Connected +\d+/);
    assert.equal(await hubble.tell('list namespaces'), 'NAMESPACE\ndefault\n');
  });

  for (const format of ['json', 'jsonpb']) {
    test(`flows as ${format}`, async () => {
      const lines = (await hubble.tell(`observe --output ${format} --to-pod web --all`)).trim().split('\n');
      const told = lines.map((line) => lineView.parse(JSON.parse(line)));
      assert.deepEqual(new Set(told.map(({ node_name: node }) => node)), new Set(['default/node-1']));
      const dropped = told.filter(({ flow }) => flow.verdict === 'DROPPED').map(({ flow }) => flow);
      assert.ok(dropped.length > 0 && dropped.length < told.length);
      for (const { source, destination, l4, drop_reason_desc: reason } of dropped) {
        assert.deepEqual([source.pod_name, destination.pod_name, l4.TCP.destination_port, reason], ['other', 'web', 80, 'POLICY_DENIED']);
        assert.ok(source.labels.includes('k8s:app=other'));
      }
    });
  }

  test('flows for people', async () => {
    const args = 'observe --from-pod other --last 1 --output';
    assert.match(
      await hubble.tell(`${args} compact`),
      new RegExp(
        `^\\w+ +\\d+ [\\d:.]+: default/other:\\d+ \\(ID:\\d+\\) (?:->|<>) ${WEB} \\(ID:\\d+\\) Policy denied DROPPED \\(TCP.*\\)\n$`,
      ),
    );
    const dictionary = await hubble.tell(`${args} dict`);
    for (const line of [/^ +SOURCE: default\/other:\d+$/m, /^DESTINATION: default\/web:80$/m, /^ +VERDICT: DROPPED$/m]) {
      assert.match(dictionary, line);
    }
    const [heads = '', row = ''] = (await hubble.tell(`${args} table`)).split('\n');
    assert.deepEqual(heads.split(/ {2,}/), ['TIMESTAMP', 'SOURCE', 'DESTINATION', 'TYPE', 'VERDICT', 'SUMMARY']);
    assert.deepEqual(row.split(/ {2,}/).slice(2, 5), [WEB, 'Policy denied', 'DROPPED']);
  });

  test('flows that are to come', async () => {
    const child = spawn(hubble.binary, [...hubble.argsFor('observe --follow --verdict DROPPED --output json')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let told = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    const ended = once(child, 'exit');
    // It says nothing of that it has begun: ask until it has.
    await eventually(
      async () => {
        await ask('other');
        assert.notEqual(told, '');
      },
      { withinMs: 30_000 },
    );
    child.kill('SIGINT');
    await ended;
    for (const line of told.trim().split('\n')) assert.equal(lineView.parse(JSON.parse(line)).flow.verdict, 'DROPPED');
  });
});
