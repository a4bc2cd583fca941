import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { describe, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { identifyNode } from '../../controller/trust/identify-node.ts';
import {
  type Authority,
  controllerProfile,
  issueCertificate,
  issueWithKey,
  type KeyedCertificate,
  makeAuthority,
  nodeProfile,
  type Profile,
  readCertificate,
  readSigningRequest,
} from '../../pki/index.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TcpForwarder } from '../../testkit/tcp-forwarder.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsConnection } from '../../testkit/xds/xds-connection.ts';
import { CLUSTER_TYPE, MutualTlsCredentials, SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';
import { NodeIdentity } from './index.ts';

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const HOUR_MS = 3_600_000;
/** A channel that shares no connection with others. */
const OWN_CONNECTION = { 'grpc.use_local_subchannel_pool': 1 } as const;

/** A controller that serves nodes, as the cluster has it. */
class Controller implements AsyncDisposable {
  readonly cache = new SnapshotCache();
  readonly server = new XdsServer({ cache: this.cache, drainMs: 0 });
  readonly credentials: MutualTlsCredentials;
  port = 0;

  private constructor(credentials: MutualTlsCredentials) {
    this.credentials = credentials;
  }

  static async start(authority: Authority, authorities = authority.certificate, now = new Date()): Promise<Controller> {
    const identity = await issueWithKey(authority, controllerProfile(), now);
    const controller = new Controller(new MutualTlsCredentials({ ...identity, authorities }));
    controller.cache.replace([modelResource(CLUSTER_TYPE, 'a', '1')]);
    const address = { host: '127.0.0.1', port: 0, credentials: controller.credentials, identify: identifyNode };
    controller.port = (await controller.server.listen(address)) ?? 0;
    return controller;
  }

  get target(): string {
    return `localhost:${this.port}`;
  }

  get nodes(): readonly string[] {
    return this.server.clients().map(({ nodeId }) => nodeId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close(0);
  }
}

class Node implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  readonly bundle = this.folder.join('ca.crt');
  readonly errors: unknown[] = [];
  readonly identity: NodeIdentity;
  asked = 0;

  constructor(bundle: string, sign: (request: string) => Promise<string>, kept?: KeyedCertificate) {
    writeFileSync(this.bundle, bundle);
    if (kept) writeFileSync(this.folder.join('identity.pem'), kept.certificate + kept.privateKey);
    this.identity = NodeIdentity.open({
      folder: this.folder.path,
      bundlePath: this.bundle,
      requestCertificate: (request) => {
        this.asked++;
        return sign(request);
      },
      onError: (error) => this.errors.push(error),
      bundleIntervalMs: 20,
      retryMs: 50,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.identity[Symbol.asyncDispose]();
    this.folder.dispose();
  }
}

function signer(authority: () => Authority, profile: Profile): (request: string) => Promise<string> {
  return async (request) => issueCertificate(authority(), await readSigningRequest(request), profile);
}

/** What a node says that it is, which does not matter. */
const CLAIM = { id: 'another-node' };

function ask(connection: XdsConnection): DeltaPeer {
  const peer = new DeltaPeer(connection.open(ADS));
  peer.say({ node: CLAIM, typeUrl: CLUSTER_TYPE });
  return peer;
}

/** How a server ends a connection before it says anything: the code of its alert, or `closed`. */
async function endingOf(port: number, identity: KeyedCertificate | undefined, options: ConnectionOptions = {}): Promise<string> {
  const own = identity && { cert: identity.certificate, key: identity.privateKey };
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...own, ...options });
  return await new Promise((resolve) => {
    socket.on('error', (error: Error & { readonly code?: string }) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve('closed'));
    socket.resume();
  });
}

describe('between a node and a controller', () => {
  test('a node is who its certificate says, whatever it says', async () => {
    const authority = await makeAuthority();
    await using controller = await Controller.start(authority);
    await using node = new Node(
      authority.certificate,
      signer(() => authority, nodeProfile('node-1')),
    );
    using connection = new XdsConnection(controller.target, {}, node.identity.credentials);
    assert.deepEqual(wordsOf(await ask(connection).next()), ['+a@1']);
    assert.deepEqual(controller.nodes, ['node-1']);
    assert.equal(node.identity.status.nodeName, 'node-1');
    assert.equal(statSync(node.folder.join('identity.pem')).mode & 0o777, 0o600);
    assert.deepEqual(node.errors, []);
  });

  for (const [what, shiftMs] of [
    ['ahead of', -HOUR_MS],
    ['behind', HOUR_MS],
  ] as const) {
    test(`a node whose clock is an hour ${what} the controller's is served`, async () => {
      const now = new Date(Date.now() + shiftMs);
      const authority = await makeAuthority({ now });
      await using controller = await Controller.start(authority, authority.certificate, now);
      const sign = async (request: string) => issueCertificate(authority, await readSigningRequest(request), nodeProfile('node-1'), now);
      await using node = new Node(authority.certificate, sign);
      using connection = new XdsConnection(controller.target, {}, node.identity.credentials);
      assert.deepEqual(wordsOf(await ask(connection).next()), ['+a@1']);
      await node.identity.ready();
      assert.equal(node.asked, 1);
    });
  }

  test('who has no certificate, or one of another authority, that is over or that is for servers, is not let in', async () => {
    const [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
    await using controller = await Controller.start(authority);
    const long = new Date(Date.now() - 48 * HOUR_MS);
    const old = await makeAuthority({ now: long });
    const expired = await issueWithKey(old, nodeProfile('node-1'), long);
    controller.credentials.replace({
      ...(await issueWithKey(authority, controllerProfile())),
      authorities: authority.certificate + old.certificate,
    });
    const stranger = await issueWithKey(other, nodeProfile('node-1'));
    assert.match(await endingOf(controller.port, undefined), /ALERT_CERTIFICATE_REQUIRED/);
    // Node looks at what a certificate is worth after the handshake, and hangs up.
    const server = await issueWithKey(authority, { ...nodeProfile('node-1'), usage: 'server' });
    for (const identity of [stranger, expired, server]) assert.match(await endingOf(controller.port, identity), /^(closed|ECONNRESET)$/);
    assert.deepEqual(controller.nodes, []);
    await using node = new Node(
      authority.certificate,
      signer(() => authority, nodeProfile('node-1')),
    );
    using connection = new XdsConnection(controller.target, {}, node.identity.credentials);
    assert.deepEqual(wordsOf(await ask(connection).next()), ['+a@1']);
  });

  test('a node that has 16 streams gets no more until one ends, and others are served', async () => {
    const authority = await makeAuthority();
    await using controller = await Controller.start(authority);
    const nodeOf = (name: string) =>
      new Node(
        authority.certificate,
        signer(() => authority, nodeProfile(name)),
      );
    await using greedy = nodeOf('node-1');
    await using other = nodeOf('node-2');
    using connection = new XdsConnection(controller.target, {}, greedy.identity.credentials);
    const peers = Array.from({ length: 16 }, () => ask(connection));
    for (const peer of peers) assert.deepEqual(wordsOf(await peer.next()), ['+a@1']);
    assert.equal((await ask(connection).stream.ended).code, status.RESOURCE_EXHAUSTED);
    using another = new XdsConnection(controller.target, OWN_CONNECTION, greedy.identity.credentials);
    assert.equal((await ask(another).stream.ended).code, status.RESOURCE_EXHAUSTED);
    using ofOther = new XdsConnection(controller.target, {}, other.identity.credentials);
    assert.deepEqual(wordsOf(await ask(ofOther).next()), ['+a@1']);

    peers[0]?.stream.end();
    await eventually(() => assert.equal(controller.nodes.length, 16));
    assert.deepEqual(wordsOf(await ask(another).next()), ['+a@1']);
    assert.equal((await ask(another).stream.ended).code, status.RESOURCE_EXHAUSTED);
  });

  test('a node that loses its connection again and again has its streams back', async () => {
    const authority = await makeAuthority();
    await using controller = await Controller.start(authority);
    await using node = new Node(
      authority.certificate,
      signer(() => authority, nodeProfile('node-1')),
    );
    await using forwarder = await TcpForwarder.start();
    for (let count = 0; count < 40; count += 1) {
      forwarder.setTargets(controller.port);
      using connection = new XdsConnection(`localhost:${forwarder.port}`, OWN_CONNECTION, node.identity.credentials);
      const peer = ask(connection);
      assert.deepEqual(wordsOf(await peer.next()), ['+a@1']);
      forwarder.setTargets();
      assert.equal((await peer.stream.ended).code, status.UNAVAILABLE);
    }
    await eventually(() => assert.deepEqual(controller.nodes, []));
  });

  test('who shows no certificate in time is hung up on, and others are served meanwhile', async () => {
    const authority = await makeAuthority();
    const identity = { ...(await issueWithKey(authority, controllerProfile())), authorities: authority.certificate };
    const cache = new SnapshotCache();
    cache.replace([modelResource(CLUSTER_TYPE, 'a', '1')]);
    const server = new XdsServer({ cache, drainMs: 0 });
    const port = await server.listen({
      host: '127.0.0.1',
      port: 0,
      credentials: new MutualTlsCredentials(identity, 200),
      identify: identifyNode,
    });
    assert.ok(port !== undefined);
    const silent = Array.from({ length: 50 }, () => connectTcp({ host: '127.0.0.1', port }).resume());
    const closed = Promise.all(silent.map((socket) => once(socket, 'close')));
    for (const socket of silent) socket.on('error', () => {});
    await using node = new Node(
      authority.certificate,
      signer(() => authority, nodeProfile('node-1')),
    );
    using connection = new XdsConnection(`localhost:${port}`, {}, node.identity.credentials);
    assert.deepEqual(wordsOf(await ask(connection).next()), ['+a@1']);
    await closed;
    await server.close(0);
  });

  test('an identity on disk that is damaged is asked for anew, and what is written goes where it belongs', async () => {
    const authority = await makeAuthority();
    const kept = await issueWithKey(authority, nodeProfile('node-1'));
    const der = Buffer.from(kept.certificate.replace(/-----.*-----/g, ''), 'base64');
    let asked = 0;
    for (let at = 0; at < der.length; at += 7) {
      const damaged = Buffer.from(der);
      damaged.writeUInt8(der.readUInt8(at) ^ 0x55, at);
      const certificate = `-----BEGIN CERTIFICATE-----\n${damaged.toString('base64')}\n-----END CERTIFICATE-----\n`;
      await using node = new Node(
        authority.certificate,
        signer(() => authority, nodeProfile('node-1')),
        { ...kept, certificate },
      );
      const precious = node.folder.join('precious');
      writeFileSync(precious, 'as it was');
      symlinkSync(precious, node.folder.join('identity.pem.new'));
      await node.identity.ready();
      await eventually(() => assert.deepEqual(readFileSync(node.folder.join('identity.pem'), 'utf8').includes(certificate), false));
      assert.equal(readFileSync(precious, 'utf8'), 'as it was');
      assert.deepEqual(node.errors, []);
      asked += node.asked;
    }
    assert.ok(asked > 40, `${asked}`);
  });

  test('nothing older than TLS 1.3 is spoken', async () => {
    const authority = await makeAuthority();
    await using controller = await Controller.start(authority);
    const identity = await issueWithKey(authority, nodeProfile('node-1'));
    assert.match(await endingOf(controller.port, identity, { maxVersion: 'TLSv1.2' }), /ALERT_PROTOCOL_VERSION/);
  });

  for (const [what, uris, code] of [
    ['no SPIFFE id', [], status.UNAUTHENTICATED],
    ['two SPIFFE ids', ['spiffe://sluice.io/node/a', 'spiffe://sluice.io/node/b'], status.UNAUTHENTICATED],
    ["a controller's id", ['spiffe://sluice.io/controller'], status.PERMISSION_DENIED],
    ['an id of another trust domain', ['spiffe://example.org/node/a'], status.PERMISSION_DENIED],
    ['a path below a node', ['spiffe://sluice.io/node/a/b'], status.PERMISSION_DENIED],
  ] as const) {
    test(`a client with ${what} is refused`, async () => {
      const authority = await makeAuthority();
      await using controller = await Controller.start(authority);
      await using node = new Node(
        authority.certificate,
        signer(() => authority, { ...nodeProfile('a'), uris, dnsNames: ['a.example'] }),
      );
      using connection = new XdsConnection(controller.target, {}, node.identity.credentials);
      assert.equal((await ask(connection).stream.ended).code, code);
      assert.deepEqual(controller.nodes, []);
    });
  }

  test('a node does not take another node, or a server of another authority, for a controller', async () => {
    const [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
    await using impostor = await Controller.start(other, authority.certificate);
    await using node = new Node(
      authority.certificate,
      signer(() => authority, nodeProfile('a')),
    );
    using connection = new XdsConnection(impostor.target, OWN_CONNECTION, node.identity.credentials);
    assert.equal((await ask(connection).stream.ended).code, status.UNAVAILABLE);
    const identity = await issueWithKey(authority, { ...nodeProfile('b'), usage: 'server' });
    impostor.credentials.replace({ ...identity, authorities: authority.certificate });
    using again = new XdsConnection(impostor.target, OWN_CONNECTION, node.identity.credentials);
    assert.equal((await ask(again).stream.ended).code, status.UNAVAILABLE);
    impostor.credentials.replace({ ...(await issueWithKey(authority, controllerProfile())), authorities: authority.certificate });
    using last = new XdsConnection(impostor.target, OWN_CONNECTION, node.identity.credentials);
    assert.deepEqual(wordsOf(await ask(last).next()), ['+a@1']);
  });
});

describe('certificates change', () => {
  test('of node, controller and authority, while a stream stays open and new connections use the new ones', async () => {
    const [old, next] = await Promise.all([makeAuthority(), makeAuthority()]);
    const both = old.certificate + next.certificate;
    let signing = old;
    await using controller = await Controller.start(old);
    const brief: Profile = { ...nodeProfile('node-1', 3_000), backdateMs: 0 };
    await using node = new Node(
      old.certificate,
      signer(() => signing, brief),
    );
    using first = new XdsConnection(controller.target, OWN_CONNECTION, node.identity.credentials);
    const stream = ask(first);
    assert.deepEqual(wordsOf(await stream.nextAcked()), ['+a@1']);
    const began = node.identity.status.notAfter;
    assert.ok(began);

    // The next authority is published, then signs, then the old one goes.
    writeFileSync(node.bundle, both);
    controller.credentials.replace({ ...(await issueWithKey(old, controllerProfile())), authorities: both });
    signing = next;
    await eventually(() => assert.ok(node.asked >= 3, `${node.asked}`));
    controller.credentials.replace({ ...(await issueWithKey(next, controllerProfile())), authorities: next.certificate });
    writeFileSync(node.bundle, next.certificate);
    await eventually(() => assert.ok(Date.now() > began.getTime() + 100));

    using second = new XdsConnection(controller.target, OWN_CONNECTION, node.identity.credentials);
    assert.deepEqual(wordsOf(await ask(second).next()), ['+a@1']);
    controller.cache.replace([modelResource(CLUSTER_TYPE, 'a', '2')]);
    assert.deepEqual(wordsOf(await stream.nextAcked()), ['+a@2']);
    assert.deepEqual(controller.nodes, ['node-1', 'node-1']);
    assert.deepEqual(node.errors, []);
  });

  test('a certificate that is kept is used again, and one that is of no use is replaced', async () => {
    const [authority, gone] = await Promise.all([makeAuthority(), makeAuthority()]);
    const sign = signer(() => authority, nodeProfile('fresh'));
    const long = new Date(Date.now() - 20 * HOUR_MS);
    const cases = [
      ['kept', await issueWithKey(authority, nodeProfile('kept')), 'kept'],
      ['due', await issueWithKey(await makeAuthority({ now: long }), nodeProfile('due'), long), 'fresh'],
      ['of an authority that nobody knows', await issueWithKey(gone, nodeProfile('gone')), 'fresh'],
      ['damaged', { certificate: 'abc', privateKey: 'def' }, 'fresh'],
    ] as const;
    for (const [what, kept, expected] of cases) {
      await using node = new Node(authority.certificate, sign, kept);
      await eventually(() => assert.equal(node.identity.status.nodeName, expected, what));
    }
  });

  test('a signer that fails is asked again, less and less often, and no key is told', async () => {
    const authority = await makeAuthority();
    let failures = 3;
    const sign = signer(() => authority, nodeProfile('a'));
    await using node = new Node(authority.certificate, async (request) => {
      if (failures-- > 0) throw new Error('not today');
      return sign(request);
    });
    await eventually(() => assert.equal(node.identity.status.problem, 'not today'));
    await node.identity.ready();
    await eventually(() => assert.equal(node.identity.status.problem, undefined));
    assert.equal(node.asked, 4);
    assert.equal(node.errors.length, 3);
    assert.doesNotMatch(JSON.stringify([node.identity, node.identity.status, node.errors.map(String)]), /PRIVATE/);
  });

  test('a bundle that is cut off or gone changes nothing', async () => {
    const authority = await makeAuthority();
    await using controller = await Controller.start(authority);
    await using node = new Node(
      authority.certificate,
      signer(() => authority, nodeProfile('a')),
    );
    await node.identity.ready();
    writeFileSync(node.bundle, authority.certificate.slice(0, 100));
    assert.equal(readCertificate(authority.certificate).dnsNames.length, 0);
    using connection = new XdsConnection(controller.target, {}, node.identity.credentials);
    assert.deepEqual(wordsOf(await ask(connection).next()), ['+a@1']);
    assert.equal(node.asked, 1);
  });
});
