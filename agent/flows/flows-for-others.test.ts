import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status } from '@grpc/grpc-js';
import { GetFlowsRequestSchema, ServerStatusRequestSchema, ServerStatusResponseSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';
import {
  type Authority,
  controllerProfile,
  issueCertificate,
  issueWithKey,
  type KeyedCertificate,
  makeAuthority,
  nodeProfile,
  nodeServerName,
  observerProfile,
  type Profile,
  readSigningRequest,
  servingNodeProfile,
} from '../../pki/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { SnapshotCache } from '../../xds-server/serve/index.ts';
import { NodeIdentity } from '../identity/index.ts';
import { NodeFlows } from './node-flows.ts';

const CLIENTS = ['spiffe://sluice.io/node/*', 'spiffe://sluice.io/observer/ann'];
/** More than one client may have at a time. */
const ONE_AFTER_THE_OTHER = 20;

/** A node that has had a certificate which is good for a client only, and is to have another one. */
describe('flows of a node, asked for by others', () => {
  const cleanUp = new AsyncDisposableStack();
  let authority: Authority;
  let port = 0;
  let portByDefault = 0;
  before(async () => {
    authority = await makeAuthority();
    const folder = cleanUp.use(new TemporaryFolder());
    const kept = await issueWithKey(authority, nodeProfile('n1'));
    writeFileSync(folder.join('identity.pem'), kept.certificate + kept.privateKey);
    writeFileSync(folder.join('ca.crt'), authority.certificate);
    const sign = async (request: string) => issueCertificate(authority, await readSigningRequest(request), servingNodeProfile('n1'));
    const identity = cleanUp.use(
      NodeIdentity.open({
        folder: folder.path,
        bundlePath: folder.join('ca.crt'),
        serves: true,
        requestCertificate: sign,
        onError: () => {},
        bundleIntervalMs: 20,
      }),
    );
    const flows = cleanUp.use(new NodeFlows({ node: 'n1', version: '1', capacity: 16, cache: new SnapshotCache() }));
    const address = { host: '127.0.0.1', port: 0, credentials: await identity.serving() };
    port = await flows.listenForOthers({ ...address, clients: CLIENTS });
    portByDefault = await flows.listenForOthers({ ...address, clients: DEFAULT_SETTINGS.flows.clients });
  });
  after(() => cleanUp.disposeAsync());

  function clientOf(own: KeyedCertificate | undefined, at = port): Client {
    const [key, certificate] = own ? [Buffer.from(own.privateKey), Buffer.from(own.certificate)] : [null, null];
    const channel = credentials.createSsl(Buffer.from(authority.certificate), key, certificate);
    // As clients find it that know nothing of SPIFFE.
    const name = { 'grpc.ssl_target_name_override': nodeServerName('n1'), 'grpc.use_local_subchannel_pool': 1 } as const;
    return new Client(`127.0.0.1:${at}`, channel, name);
  }

  /** How many flows it may remember, or the code of what is said instead. */
  async function ask(client: Client): Promise<bigint | status> {
    return await new Promise((resolve) => {
      client.makeUnaryRequest(
        '/observer.Observer/ServerStatus',
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => fromBinary(ServerStatusResponseSchema, bytes),
        toBinary(ServerStatusRequestSchema, create(ServerStatusRequestSchema)),
        (error, answer) => resolve(answer ? answer.maxFlows : (error?.code ?? status.UNKNOWN)),
      );
    });
  }

  const cases: readonly (readonly [who: string, client: () => Promise<Client>, expected: bigint | status])[] = [
    ['another node', async () => clientOf(await issueWithKey(authority, nodeProfile('n2'))), 16n],
    ['somebody who may', async () => clientOf(await issueWithKey(authority, observerProfile('ann'))), 16n],
    ['somebody else', async () => clientOf(await issueWithKey(authority, observerProfile('bob'))), status.PERMISSION_DENIED],
    [
      'somebody whose name begins as one that may',
      async () => clientOf(await issueWithKey(authority, observerProfile('ann2'))),
      status.PERMISSION_DENIED,
    ],
    ['nobody', async () => clientOf(undefined), status.UNAVAILABLE],
    ['a server', async () => clientOf(await issueWithKey(authority, controllerProfile())), status.UNAVAILABLE],
    ['a node of elsewhere', async () => clientOf(await issueWithKey(await makeAuthority(), nodeProfile('n2'))), status.UNAVAILABLE],
    [
      'a node, without a name',
      async () => clientOf(await issueWithKey(authority, { ...nodeProfile('n2'), uris: [], dnsNames: ['n2'] })),
      status.UNAUTHENTICATED,
    ],
  ];
  for (const [who, client, expected] of cases) {
    test(`by ${who}`, async () => {
      const asking = await client();
      assert.equal(await ask(asking), expected);
      asking.close();
    });
  }

  test('by default by observers, and by no node', async () => {
    const told = async (profile: Profile) => {
      const client = clientOf(await issueWithKey(authority, profile), portByDefault);
      const answer = await ask(client);
      client.close();
      return answer;
    };
    assert.deepEqual([await told(observerProfile('bob')), await told(nodeProfile('n2'))], [16n, status.PERMISSION_DENIED]);
  });

  test('but with no request that is large', async () => {
    const client = clientOf(await issueWithKey(authority, observerProfile('ann')));
    const request = { whitelist: [{ sourcePod: ['x'.repeat(70_000)] }] };
    const stream = client.makeServerStreamRequest(
      '/observer.Observer/GetFlows',
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => bytes,
      toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, request)),
    );
    const { code } = await new Promise<{ code?: status }>((resolve) => {
      stream.on('error', resolve);
      stream.on('end', () => resolve({}));
      stream.resume();
    });
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    client.close();
  });

  test('again and again, also where nobody waits for the end of an answer', async () => {
    const client = clientOf(await issueWithKey(authority, nodeProfile('n3')));
    for (let round = 0; round < ONE_AFTER_THE_OTHER; round++) {
      const stream = client.makeServerStreamRequest(
        '/observer.Observer/GetFlows',
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => bytes,
        toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, { follow: true })),
      );
      stream.on('error', () => {});
      const begun = new Promise((resolve) => stream.once('metadata', resolve));
      if (round % 2 === 0) await Promise.race([begun, ask(client)]);
      stream.cancel();
      assert.equal(await ask(client), 16n, `round ${round}`);
    }
    client.close();
  });
});
