import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { answerJson, answerStatus, type Script, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { CliError } from '../cli-error.ts';
import { judge } from './judge.ts';
import { parsePartyName } from './party-name.ts';
import { readPolicyObjects } from './read-cluster.ts';

const OBJECTS: Readonly<Record<string, readonly object[]>> = {
  '/api/v1/namespaces': [{ metadata: { name: 'shop', resourceVersion: '1' } }],
  '/api/v1/pods': [
    {
      metadata: { name: 'db', namespace: 'shop', labels: { app: 'db' }, resourceVersion: '1' },
      spec: { nodeName: 'n1' },
      status: { podIPs: [{ ip: '10.0.0.9' }] },
    },
  ],
  '/apis/networking.k8s.io/v1/networkpolicies': [
    {
      metadata: { name: 'db', namespace: 'shop', resourceVersion: '1' },
      spec: { podSelector: {}, ingress: [{ ports: [{ port: 5432 }] }] },
    },
  ],
};

/** Lists these; watches wait. Kinds of Cilium are not there. */
const answer: Script = ({ path, query }, response) => {
  if (path.startsWith('/apis/cilium.io/')) answerStatus(response, 404, 'no such kind');
  else if (query.has('watch')) response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  else answerJson(response, 200, { metadata: { resourceVersion: '1' }, items: OBJECTS[path] ?? [] });
};

test('verdicts are asked of what is in a cluster, where kinds of Cilium may be missing', async () => {
  await using server = await ScriptedApiServer.start(answer);
  await using open = new AsyncDisposableStack();
  const client = server.client();
  open.defer(() => client.close());
  const objects = await readPolicyObjects(client);
  assert.deepEqual(objects.map(({ kind }) => kind).sort(), ['Namespace', 'NetworkPolicy', 'Pod']);
  const [from, to] = [parsePartyName('from', 'world'), parsePartyName('to', 'shop/db')];
  const decisions = [5432, 80].map((port) => judge(objects, {}, { from, to, protocol: IP_PROTOCOLS.TCP, port }).decision);
  assert.deepEqual(decisions, ['allow', 'deny']);
});

test('what cannot be read is told', async () => {
  await using server = await ScriptedApiServer.start((request, response) => {
    if (request.path === '/api/v1/nodes') answerStatus(response, 403, 'nodes is forbidden');
    else answer(request, response);
  });
  await using open = new AsyncDisposableStack();
  const client = server.client();
  open.defer(() => client.close());
  await assert.rejects(readPolicyObjects(client, 1_000), (error) => {
    return error instanceof CliError && /^the cluster could not be read within 1 seconds: Node: .*forbidden/.test(error.message);
  });
});
