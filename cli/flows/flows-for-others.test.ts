import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { type FlowAddress, NodeFlows } from '../../agent/index.ts';
import { issueWithKey, makeAuthority, servingNodeProfile } from '../../pki/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { MutualTlsCredentials, SnapshotCache, XdsError } from '../../xds-server/serve/index.ts';
import { SideTasks } from '../side-tasks.ts';
import { tellOthers } from './flows-for-others.ts';

test('a port that is taken is told of once, and waited for', needs('ipv6'), async () => {
  const other = createServer().unref();
  await new Promise<void>((resolve) => other.listen(0, '::', resolve));
  const address = other.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const credentials = new MutualTlsCredentials(await anyIdentity());
  await using flows = new NodeFlows({ node: 'n1', version: '1', capacity: 1, cache: new SnapshotCache() });
  let tries = 0;
  const serving = async () => {
    tries++;
    return credentials;
  };
  const said: string[] = [];
  const log = ({ text }: { readonly text: string }) => void said.push(text);
  const tasks = new SideTasks({ log, retryMs: 5 });
  const others = { flows, identity: { serving }, port, clients: [], log };
  await using _telling = tasks.begin('flows for others', (signal) => tellOthers(others, signal));
  await eventually(() => assert.ok(tries > 3));
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /^flows for others: .*EADDRINUSE.*; trying again, all else goes on$/);
  await new Promise((resolve) => other.close(resolve));
  await eventually(() =>
    assert.deepEqual(said.slice(1), [`tells of flows on port ${port}, by mutual TLS`, 'flows for others: begun after all']),
  );
});

for (const [what, host, expected] of [
  ['on a node without IPv6, flows are told at its other addresses', {}, ['::', '0.0.0.0']],
  ['where somebody says at which address, they are told at no other', { host: '10.0.0.1' }, ['10.0.0.1']],
] as const) {
  test(what, async () => assert.deepEqual(await hostsOf(host), expected));
}

/** Where it was tried to listen; nobody can at `::`. */
async function hostsOf(own: { readonly host?: string }): Promise<readonly string[]> {
  const hosts: string[] = [];
  const listenForOthers = async ({ host, port }: FlowAddress) => {
    hosts.push(host);
    if (host === '::') throw new XdsError('listen-failed', 'cannot listen on [::]:4244: EAFNOSUPPORT');
    return port;
  };
  const serving = async () => new MutualTlsCredentials(await anyIdentity());
  const said: string[] = [];
  const log = ({ text }: { readonly text: string }) => void said.push(text);
  const others = { ...own, flows: { listenForOthers }, identity: { serving }, port: 4244, clients: [], log };
  await tellOthers(others, new AbortController().signal);
  assert.deepEqual(said, ['tells of flows on port 4244, by mutual TLS']);
  return hosts;
}

test('who stops before there is a certificate waits for none', async () => {
  const tasks = new SideTasks({ log: () => {} });
  const listenForOthers = async () => assert.fail('nobody is to listen');
  const identity = { serving: () => new Promise<never>(() => {}) };
  const others = { flows: { listenForOthers }, identity, port: 4244, clients: [], log: () => {} };
  await tasks.begin('flows for others', (signal) => tellOthers(others, signal))[Symbol.asyncDispose]();
});

async function anyIdentity() {
  const authority = await makeAuthority();
  return { ...(await issueWithKey(authority, servingNodeProfile('n1'))), authorities: authority.certificate };
}
