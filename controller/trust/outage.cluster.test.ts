import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { openApiClient } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';
import { AuthorityKeeper, identifyNode, ServingIdentity } from './index.ts';

const HOUR_MS = 3_600_000;
const NAMESPACE = 'default';

/** Until when the certificate is good that a server shows. */
async function shownUntil(port: number): Promise<number> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  // It ends the connection, since we show none.
  socket.on('error', () => {});
  try {
    await once(socket, 'secureConnect');
    return Date.parse(socket.getPeerCertificate().valid_to);
  } finally {
    socket.destroy();
  }
}

test('a controller renews its certificate for days without an API server', needs('cluster'), async (t) => {
  await using plane = await ControlPlane.start();
  const client = openApiClient({ kubeconfig: plane.kubeconfig });
  const stop = new AbortController();
  const keeping = new AuthorityKeeper({ client, namespace: NAMESPACE, onError: () => {} }).run(stop.signal);
  let aheadMs = 0;
  const now = () => new Date(Date.now() + aheadMs);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  {
    await using serving = await ServingIdentity.open({ client, namespace: NAMESPACE, intervalMs: 50, now, onError });
    const server = new XdsServer({ cache: new SnapshotCache() });
    const port = (await server.listen({ host: '127.0.0.1', port: 0, credentials: serving.credentials, identify: identifyNode })) ?? 0;
    await plane.kill('kube-apiserver');
    for (const hours of [17, 34, 51]) {
      aheadMs = hours * HOUR_MS;
      await eventually(async () => assert.ok((await shownUntil(port)) >= Date.now() + aheadMs + 23 * HOUR_MS));
    }
    t.diagnostic(`renewed three times, while the API server was not reached ${errors.length} times`);
    assert.ok(errors.length > 0, 'the API server was not away');
    await server.close(0);
  }
  stop.abort();
  await keeping;
  await client.close();
});
