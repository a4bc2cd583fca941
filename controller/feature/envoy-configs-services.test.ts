import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AuthorizationServer } from '../../testkit/authorization-server.ts';
import { needs } from '../../testkit/capabilities.ts';
import { ask, ConfiguredSluice, whoAnswersAt } from '../../testkit/configured-sluice.ts';
import { httpConfigManifest, httpFilterName, type Json, resource, SPEAKS_HTTP2 } from '../../testkit/envoy-config-manifests.ts';
import { GrpcEcho } from '../../testkit/grpc-echo.ts';
import { echoOf } from '../../testkit/http-request.ts';
import { serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';

const ROUTES: readonly Json[] = [{ match: { prefix: '/' }, route: { cluster: 'web' } }];

/** Filters that ask others, and protocols. */
describe('CiliumEnvoyConfigs whose filters ask services', { ...needs('envoy'), timeout: 120_000 }, () => {
  const sluice = new ConfiguredSluice();
  let grpc: GrpcEcho;
  let authorization: AuthorizationServer;

  before(async () => {
    grpc = await GrpcEcho.start('grpc');
    authorization = await AuthorizationServer.start('x-token');
    await sluice.addBackends('web', 'auth');
    sluice.write('grpc.yaml', serviceManifest('grpc'), sliceManifest('grpc', grpc.port));
    sluice.write('judge.yaml', serviceManifest('judge'), sliceManifest('judge', authorization.port));
    await sluice.start();
  });
  after(async () => {
    await sluice.stop();
    await grpc[Symbol.asyncDispose]();
    await authorization[Symbol.asyncDispose]();
  });

  describe('over HTTP whether a request may pass', () => {
    const type = 'ext_authz.v3.ExtAuthz';
    const filter = {
      httpService: { serverUri: { uri: 'http://auth', cluster: 'auth', timeout: '5s' }, pathPrefix: '/check' },
    };
    const own = { [httpFilterName(type)]: resource('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', { disabled: true }) };
    const routes = [{ match: { path: '/open' }, route: { cluster: 'web' }, typedPerFilterConfig: own }, ...ROUTES];
    let port = 0;

    before(async () => {
      port = await sluice.serve('authorized', (port) =>
        httpConfigManifest('authorized', { port, routes, clusters: { web: {}, auth: {} }, filters: { [type]: filter } }),
      );
    });

    test('it may', async () => {
      assert.equal(await whoAnswersAt(port, '/x'), 'web');
    });

    test('it may not, which the service says in its own words', async () => {
      const { status, body } = await ask(port, '/x?status=401');
      assert.equal(status, 401);
      assert.equal(JSON.parse(body).url, '/check/x?status=401');
    });

    test('nobody passes while the service is gone, but where it is not asked', async () => {
      sluice.write('backend-auth.yaml', serviceManifest('auth'));
      await sluice.settled();
      assert.equal(await whoAnswersAt(port, '/x'), '403');
      assert.equal(await whoAnswersAt(port, '/open'), 'web');
    });
  });

  test('over gRPC whether a request may pass', async () => {
    const filter = { grpcService: { envoyGrpc: { clusterName: 'judge' }, timeout: '5s' }, transportApiVersion: 'V3' };
    const clusters = { web: {}, judge: SPEAKS_HTTP2 };
    const port = await sluice.serve('judged', (port) =>
      httpConfigManifest('judged', { port, routes: ROUTES, clusters, filters: { 'ext_authz.v3.ExtAuthz': filter } }),
    );
    assert.equal(await whoAnswersAt(port), '403');
    const answer = await ask(port, '/', { headers: { 'x-token': '1' } });
    assert.equal(echoOf(answer).headers['x-judged'], 'yes');
    sluice.write('judge.yaml', serviceManifest('judge'));
    await sluice.settled();
    assert.equal(await whoAnswersAt(port, '/', { headers: { 'x-token': '1' } }), '403');
  });

  test('in gRPC, for browsers', async () => {
    const routes = [{ match: { prefix: '/' }, route: { cluster: 'grpc' } }];
    const port = await sluice.serve('browsers', (port) =>
      httpConfigManifest('browsers', { port, routes, clusters: { grpc: SPEAKS_HTTP2 }, filters: { 'grpc_web.v3.GrpcWeb': {} } }),
    );
    const { status, headers, body } = await ask(port, '/sluice.test.Echo/Unary', {
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
      body: '\0\0\0\0\x05hello',
    });
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/grpc-web+proto');
    assert.match(body, /grpc: hello/);
    assert.match(body, /grpc-status:\s*0/);
  });
});
