import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, isIPv4 } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { ConfigSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/direct_response/v3/config_pb.js';
import { needs } from '../testkit/capabilities.ts';
import { eventually } from '../testkit/eventually.ts';
import { enterOwnNetwork } from '../testkit/own-network.ts';
import { freePort } from '../testkit/ports.ts';
import { BareEnvoy } from '../testkit/xds/bare-envoy.ts';
import { XdsScene } from '../testkit/xds/xds-scene.ts';
import { encodeResource } from '../xds-server/translate/encode.ts';
import { socketAddress } from '../xds-server/translate/messages.ts';

enterOwnNetwork();

/** Envoy's own would have it wait for more than a minute. */
const WITHIN = { withinMs: 30_000 };
const SAYS = 'here';

/** Those that this machine asks, in a network where nobody answers for them. */
function nameServers(): readonly string[] {
  const found = [...readFileSync('/etc/resolv.conf', 'utf8').matchAll(/^nameserver\s+(\S+)/gm)].map(([, address = '']) => address);
  const addresses = found.filter(isIPv4);
  return addresses.length > 0 ? addresses : ['127.0.0.1'];
}

test('names that no server answers for keep nobody waiting for long', { ...needs('envoy', 'root'), timeout: 90_000 }, async () => {
  await using cleanUp = new AsyncDisposableStack();
  let asked = 0;
  for (const address of nameServers()) {
    if (!address.startsWith('127.')) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
    const server = createSocket('udp4').bind(53, address);
    cleanUp.defer(() => void server.close());
    server.on('message', () => (asked += 1));
    await once(server, 'listening');
  }
  const xds = cleanUp.use(await XdsScene.open());
  const port = await freePort();
  const lost = create(ClusterSchema, {
    name: 'lost',
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
    loadAssignment: {
      clusterName: 'lost',
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socketAddress('nobody.test', 80) } } }] }],
    },
  });
  const response = anyPack(ConfigSchema, create(ConfigSchema, { response: { specifier: { case: 'inlineString', value: SAYS } } }));
  const listener = create(ListenerSchema, {
    name: 'other',
    address: socketAddress('127.0.0.1', port),
    filterChains: [{ filters: [{ name: 'direct_response', configType: { case: 'typedConfig', value: response } }] }],
  });
  xds.publish(encodeResource(ClusterSchema, 'lost', lost), encodeResource(ListenerSchema, 'other', listener));
  const envoy = BareEnvoy.start(xds.folder, xds.socket, 'node');
  cleanUp.defer(() => envoy.kill());
  await eventually(async () => {
    const client = connect(port, '127.0.0.1');
    assert.equal(await text(client), SAYS);
  }, WITHIN);
  assert.ok(asked > 0, 'nobody was asked for the name');
});
