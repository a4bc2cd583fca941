import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouteSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { RouterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePorts } from '../../testkit/ports.ts';
import { ProxiedEnvoy } from '../../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { translateRoute } from './routes.ts';

const SOURCE = { object: { kind: 'Ingress', namespace: 'default', name: 'web' }, path: [] };

function redirectingListener(listenPort: number, port: number | undefined) {
  const action = { kind: 'redirect-https', status: 308, ...(port !== undefined && { port }) } as const;
  const route = translateRoute({ name: 'all', match: { kind: 'prefix', value: '/' }, action, source: SOURCE });
  const manager = create(HttpConnectionManagerSchema, {
    statPrefix: 'redirect',
    useRemoteAddress: true,
    routeSpecifier: {
      case: 'routeConfig',
      value: { virtualHosts: [{ name: 'all', domains: ['*'], routes: [create(RouteSchema, route)] }] },
    },
    httpFilters: [{ name: 'router', configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) } }],
  });
  const filter = { name: 'http', configType: { case: 'typedConfig' as const, value: anyPack(HttpConnectionManagerSchema, manager) } };
  const value = { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: listenPort } };
  return create(ListenerSchema, {
    name: `redirect-${listenPort}`,
    address: { address: { case: 'socketAddress', value } },
    filterChains: [{ filters: [filter] }],
  });
}

describe('Envoy redirects to HTTPS', needs('envoy'), () => {
  const folder = new TemporaryFolder();
  const ports = { default: 0, 8443: 0 };
  let envoy: ProxiedEnvoy;

  before(async () => {
    const [listenPort = 0, toDefault = 0, toOther = 0] = await freePorts(3);
    Object.assign(ports, { default: toDefault, 8443: toOther });
    envoy = await ProxiedEnvoy.prepare({ statePath: folder.join('state'), listenPort, backendPort: listenPort });
    for (const [port, target] of [
      [toDefault, undefined],
      [toOther, 8443],
    ] as const) {
      envoy.ads.add(ListenerSchema, `redirect-${port}`, redirectingListener(port, target));
    }
    await envoy.envoy.start();
  });
  after(async () => {
    await envoy?.[Symbol.asyncDispose]();
    folder.dispose();
  });

  // Without a port, :80 goes since it is the default of what is left, and any other stays: so it is for clients that came by port 80.
  const cases: readonly (readonly [target: keyof typeof ports, host: string, location: string])[] = [
    ['default', 'web.test', 'https://web.test/'],
    ['default', 'web.test:80', 'https://web.test/'],
    ['default', 'web.test:8080', 'https://web.test:8080/'],
    ['default', '[2001:db8::1]:80', 'https://[2001:db8::1]/'],
    [8443, 'web.test', 'https://web.test:8443/'],
    [8443, 'web.test:80', 'https://web.test:8443/'],
    [8443, 'web.test:8080', 'https://web.test:8443/'],
    [8443, '[2001:db8::1]:8080', 'https://[2001:db8::1]:8443/'],
  ];
  for (const [target, host, location] of cases) {
    test(`${host}, to port ${target}: ${location}`, async () => {
      const { status, headers } = await eventually(() => requestHttp1({ port: ports[target], host }));
      assert.deepEqual([status, headers.location], [308, location]);
    });
  }
});
