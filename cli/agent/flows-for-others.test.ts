import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { NodeFlows } from '../../agent/index.ts';
import { issueWithKey, makeAuthority, servingNodeProfile } from '../../pki/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { MutualTlsCredentials, SnapshotCache } from '../../xds-server/serve/index.ts';
import { FlowsForOthers } from './flows-for-others.ts';

test('a port that is taken is told of once, and waited for', needs('ipv6'), async () => {
  const other = createServer().unref();
  await new Promise<void>((resolve) => other.listen(0, '::', resolve));
  const address = other.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const authority = await makeAuthority();
  const own = await issueWithKey(authority, servingNodeProfile('n1'));
  const credentials = new MutualTlsCredentials({ ...own, authorities: authority.certificate });
  await using flows = new NodeFlows({ node: 'n1', version: '1', capacity: 1, cache: new SnapshotCache() });
  let tries = 0;
  const serving = async () => {
    tries++;
    return credentials;
  };
  const said: string[] = [];
  const log = ({ text }: { readonly text: string }) => void said.push(text);
  using _telling = new FlowsForOthers({ flows, identity: { serving }, port, clients: [], log, retryMs: 5 });
  await eventually(() => assert.ok(tries > 3));
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /^nobody else can ask for flows: .*EADDRINUSE.*; trying again$/);
  await new Promise((resolve) => other.close(resolve));
  await eventually(() => assert.deepEqual(said.slice(1), [`tells of flows on port ${port}, by mutual TLS`]));
});
