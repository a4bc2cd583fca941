import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { NodeFlows } from '../../agent/index.ts';
import { type Authority, issueWithKey, makeAuthority, nodeServerName, observerProfile, servingNodeProfile } from '../../pki/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { MutualTlsCredentials, SnapshotCache } from '../../xds-server/serve/index.ts';
import { WITH_TIME_TO_BUILD } from '../lab/go-program.ts';
import { HubbleClient, hubbleBinary } from './hubble-cli.ts';
import { ALL_KNOWN, knownFlows } from './known-flows.ts';

describe("Hubble's own client, by mutual TLS", { ...needs('cluster'), ...WITH_TIME_TO_BUILD }, () => {
  const cleanUp = new AsyncDisposableStack();
  const folder = cleanUp.use(new TemporaryFolder());
  let authority: Authority;
  let port = 0;
  before(async () => {
    await hubbleBinary(() => {});
    authority = await makeAuthority();
    writeFileSync(folder.join('ca.crt'), authority.certificate);
    const flows = cleanUp.use(new NodeFlows({ node: 'n1', version: '1', capacity: 64, cache: new SnapshotCache() }));
    for (const flow of knownFlows(new Date())) flows.ring.add(flow);
    const identity = await issueWithKey(authority, servingNodeProfile('n1'));
    const credentials = new MutualTlsCredentials({ ...identity, authorities: authority.certificate });
    port = await flows.listenForOthers({ host: '127.0.0.1', port: 0, credentials, clients: ['spiffe://sluice.io/observer/ann'] });
  }, WITH_TIME_TO_BUILD);
  after(() => cleanUp.disposeAsync());

  /** With the certificate of an observer, or none. */
  async function clientOf(name?: string): Promise<HubbleClient> {
    const trusted = ['--tls', '--tls-ca-cert-files', folder.join('ca.crt'), '--tls-server-name', nodeServerName('n1')];
    const own = name === undefined ? [] : await filesOf(name);
    return new HubbleClient(await hubbleBinary(() => {}), ['--server', `127.0.0.1:${port}`, ...trusted, ...own]);
  }

  async function filesOf(name: string): Promise<readonly string[]> {
    const { certificate, privateKey } = await issueWithKey(authority, observerProfile(name));
    writeFileSync(folder.join(`${name}.crt`), certificate);
    writeFileSync(folder.join(`${name}.key`), privateKey);
    return ['--tls-client-cert-file', folder.join(`${name}.crt`), '--tls-client-key-file', folder.join(`${name}.key`)];
  }

  test('is answered where its certificate may ask', async () => {
    const hubble = await clientOf('ann');
    assert.match(await hubble.tell('status'), /: Ok\nCurrent\/Max Flows: 9\/64 /);
    assert.match(await hubble.tell('list nodes'), /^default\/n1 +Connected /m);
    assert.equal((await hubble.tell('observe')).trim().split('\n').length, ALL_KNOWN.length);
  });

  test('is refused with the certificate of somebody else, whatever it asks', async () => {
    const hubble = await clientOf('bob');
    for (const args of ['status', 'list nodes', 'list namespaces', 'observe']) {
      const { code, stdout, stderr } = await hubble.ask(args);
      assert.match(stderr, /spiffe:\/\/sluice\.io\/observer\/bob may not ask for flows/, args);
      assert.deepEqual([code, stdout.includes('default')], [1, false], args);
    }
  });

  test('is refused without one', async () => {
    const { code, stdout } = await (await clientOf()).ask('observe --timeout 2s');
    assert.deepEqual([code, stdout], [1, '']);
  });
});
