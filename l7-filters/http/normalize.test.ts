import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { PathNormalization } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { freePorts } from '../../testkit/ports.ts';
import { BareEnvoy } from '../../testkit/xds/bare-envoy.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { encodeResource } from '../../xds-server/translate/encode.ts';
import { socketAddress } from '../../xds-server/translate/messages.ts';
import { translateNormalization } from '../../xds-server/translate/normalization.ts';
import { normalizeRequest } from './index.ts';

const MODES: readonly PathNormalization[] = ['none', 'base', 'merge-slashes', 'full'];

/** Ways around a rule for a path, and what is none. */
const PATHS = [
  ...['/', '/a', '/a/', '/a/b?c=d', '/a?b/../c', '/a?b=%2F', '/A/b', '/a;b=c', '/a,b:c@d', "/a!$&'()*+=", '/a%20b', '/a|b^c', '/a[0]'],
  ...['/a/..;', '/a/..;/b', '/a/.;x/b', '/..;/..;', '/a/..;b?c/..;d', '/a/...;/b', '/a;x/../b', '/a/;/b', '/a%2f..;/b', '/a//..;//b'],
  ...[
    '/a/..%3b/c',
    '/a/%2e%2e;/c',
    '/a/.%2E;/c',
    '/a/%2e%3B',
    '/a/..;\\b',
    '/a\\..;x/b',
    '/a/..;%2e/b',
    '/a/..;%2fb',
    '/a/..;%00',
    '/a/..;;/b',
  ],
  ...['//', '//a', '/a//b', '/a///b', '/a//', '//a//b?c//d', '/a//../b', '/a//.//b'],
  ...['/./a', '/a/.', '/a/./b', '/a/..', '/a/../b', '/a/b/..', '/..', '/../a', '/a/../../b', '/a/...', '/a/..b', '/.a', '/a/.?b'],
  ...['/%2e/a', '/a/%2E%2e/b', '/a/.%2e/b', '/a/%2e', '/%61', '/a%41', '/%7Ea', '/%2d%5F', '/%2a', '/a%2Bb', '/%7b', '/%c3%a9', '/%C3%A9'],
  ...['/a%2fb', '/a%2Fb', '/a%5cb', '/a%5Cb?c%2fd', '/%2f', '/a%2f%2e%2e%2fb', '/a%2f..%2Fb', '/a%252fb', '/%2525', '/a?b%2fc'],
  ...[
    '/a\\b',
    '/a\\..\\b',
    '/\\a',
    '///',
    '/////a',
    '/a%',
    '/a%2',
    '/a%zz',
    '/%00',
    '/a%00b',
    '/a%0a',
    '/a{b}',
    '/a"b',
    '/a`b',
    '/a<b>',
    '/a#b',
    '/a?b#c',
  ],
] as const;
const HOSTS = ['a.example', 'a.example.', 'a.example:80', 'a.example.:80'] as const;

/** A listener that answers with the path and the host that it sees. */
function echo(port: number, pathNormalization: PathNormalization) {
  const headers = ['%REQ(:PATH)%', '%REQ(:AUTHORITY)%'].map((value, index) => ({
    header: { key: `x-${index}`, value },
    keepEmptyValue: true,
  }));
  const connectionManager = create(HttpConnectionManagerSchema, {
    statPrefix: 'echo',
    ...translateNormalization({ pathNormalization, headersWithUnderscores: 'allow' }),
    routeSpecifier: {
      case: 'routeConfig',
      value: {
        virtualHosts: [
          {
            name: 'all',
            domains: ['*'],
            responseHeadersToAdd: headers,
            routes: [
              { match: { pathSpecifier: { case: 'prefix', value: '/' } }, action: { case: 'directResponse', value: { status: 200 } } },
            ],
          },
        ],
      },
    },
    httpFilters: [
      { name: 'envoy.filters.http.router', configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) } },
    ],
  });
  const filter = anyPack(HttpConnectionManagerSchema, connectionManager);
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig' as const, value: filter } }];
  return create(ListenerSchema, { name: pathNormalization, address: socketAddress('127.0.0.1', port), filterChains: [{ filters }] });
}

/** Envoy keeps a connection that it has closed open for a second. */
async function headOf(socket: Socket): Promise<string> {
  let head = '';
  for await (const chunk of socket) {
    head += chunk;
    if (head.includes('\r\n\r\n')) break;
  }
  return head;
}

/** What Envoy says of it, in the words of the test. */
async function ask(port: number, path: string, host: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const answer = await headOf(socket);
  const [, status = ''] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? [];
  const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(answer)?.[1] ?? '';
  if (status === '200') return `${header('x-0')} of ${header('x-1')}`;
  return status === '307' ? `to ${header('location')}` : status;
}

function expected(path: string, host: string, mode: PathNormalization): string {
  const normalized = normalizeRequest(
    { method: 'GET', path, host, headers: [] },
    { pathNormalization: mode, headersWithUnderscores: 'allow' },
  );
  switch (normalized.kind) {
    case 'request':
      return `${normalized.request.path} of ${normalized.request.host}`;
    case 'redirect':
      return `to ${normalized.path}`;
    case 'refused':
      return '400';
  }
}

describe('a request is normalised as Envoy does it', needs('envoy'), () => {
  let scene: XdsScene;
  let envoy: BareEnvoy;
  const ports = new Map<PathNormalization, number>();

  before(async () => {
    scene = await XdsScene.open();
    const free = await freePorts(MODES.length);
    for (const [index, mode] of MODES.entries()) ports.set(mode, free[index] ?? 0);
    scene.publish(...MODES.map((mode) => encodeResource(ListenerSchema, mode, echo(ports.get(mode) ?? 0, mode))));
    envoy = BareEnvoy.start(scene.folder, scene.socket, 'node');
    for (const port of ports.values()) await eventually(async () => assert.equal(await ask(port, '/', 'a'), '/ of a'));
  });
  after(async () => {
    await envoy?.kill();
    await scene?.[Symbol.asyncDispose]();
  });

  for (const mode of MODES) {
    test(`with ${mode}`, async () => {
      const cases = [...PATHS.map((path) => [path, 'a.example'] as const), ...HOSTS.map((host) => ['/a', host] as const)];
      const found: string[] = [];
      for (const [path, host] of cases) {
        const [actual, wanted] = [await ask(ports.get(mode) ?? 0, path, host), expected(path, host, mode)];
        if (actual !== wanted) found.push(`${path} of ${host}: Envoy says ${actual}, not ${wanted}`);
      }
      assert.deepEqual(found, []);
    });
  }
});
