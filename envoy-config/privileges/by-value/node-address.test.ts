import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foundIn, resource, socket, withEndpoint } from '../testing/resources.ts';

const OF_NODE = [
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '::1',
  '::',
  '0:0:0:0:0:0:0:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:0.0.0.0',
  '::127.0.0.1',
  '::ffff:169.254.169.254',
  'fe80::1',
  'fe80::1%eth0',
  'febf::1',
  '127.1',
  '0x7f.1',
  '0x7f000001',
  '2130706433',
  '017700000001',
  '127.0.0.1.',
  '[::1]',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
  'ip6-localhost',
];
const OTHERS = [
  '10.0.0.1',
  '128.0.0.1',
  '126.255.255.255',
  '169.253.0.1',
  '::2:0:0',
  '2001:db8::1',
  'fec0::1',
  '::ffff:10.0.0.1',
  'example.com',
  'localhost.example.com',
  'notlocalhost',
  '',
];

for (const [addresses, expected] of [
  [OF_NODE, 'refused'],
  [OTHERS, 'let in'],
] as const) {
  for (const address of addresses) {
    test(`an endpoint at ${JSON.stringify(address)} is ${expected}`, () => {
      const [endpoint, name] = ['endpoints.0.lbEndpoints.0.endpoint', 'envoy.config.endpoint.v3.Endpoint.address'];
      const at = (path: string) => (expected === 'refused' ? [`${name} @ ${endpoint}.${path}.socketAddress.address`] : []);
      assert.deepEqual(foundIn(resource('endpoints', withEndpoint({ address: socket(address) })), [name]), at('address'));
      assert.deepEqual(
        foundIn(resource('endpoints', withEndpoint({ additionalAddresses: [{ address: socket(address) }] }))),
        at('additionalAddresses.0.address'),
      );
      assert.deepEqual(
        foundIn(resource('endpoints', withEndpoint({ healthCheckConfig: { address: socket(address) } }))),
        at('healthCheckConfig.address'),
      );
    });
  }
}
