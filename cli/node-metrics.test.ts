import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { countRedirects } from './node-metrics.ts';

test('listeners that packets are led to, by the protocol that they serve', async () => {
  const registry = new Registry();
  countRedirects({ redirects: () => ({ http: 3, tls: 0 }) }, { registry });
  const lines = (await registry.metrics()).split('\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('cilium_proxy_redirects')),
    ['cilium_proxy_redirects{protocol_l7="http"} 3', 'cilium_proxy_redirects{protocol_l7="tls"} 0'],
  );
});
