import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { clientAndWeb } from './client-and-web.ts';
import { app, ciliumPolicy } from './policies.ts';

const POLICY = ciliumPolicy({
  name: 'web',
  app: 'web',
  ingress: [
    { fromEndpoints: app('client'), toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }], serverNames: ['web.test', '*.web.test'] }] },
  ],
});
const FIELD = 'CiliumNetworkPolicy default/web spec.ingress[0].toPorts[0].serverNames';

/** A line of Envoy's about a connection that it closed. */
const lineView = z.looseObject({
  kind: z.literal('sluice.slot'),
  connectionId: z.string(),
  serverName: z.string().nullable(),
  client: z.string(),
  destination: z.string(),
});

describe('why a connection was closed for the server that it names', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const said: string[] = [];
  const scene = clientAndWeb(POLICY, { onLine: (line) => said.push(line) });

  const denials = () =>
    said.flatMap((line) => (line.includes('sluice.slot') && line.includes('connectionId') ? lineView.parse(JSON.parse(line)) : []));

  for (const [what, url, name, why] of [
    [
      'another server',
      'https://other.test',
      'other.test',
      `server name other.test is none of web.test (${FIELD}[0]), *.web.test (${FIELD}[1])`,
    ],
    ['no TLS', 'http://other.test:443', '', `it names no server, and rules ask for web.test (${FIELD}[0]), *.web.test (${FIELD}[1])`],
  ] as const) {
    test(`${what}: stands in the log, and is explained by its id`, async () => {
      const { lab } = scene();
      const address = lab.lab.pod('web').addresses.ipv4;
      const before = denials().length;
      await assert.rejects(lab.lab.pod('client').run(['curl', '-skS', '-m', '10', '--resolve', `other.test:443:${address}`, url]));
      const denial = await eventually(() => {
        const found = denials().at(before);
        assert.ok(found, said.join('\n'));
        return found;
      });
      assert.deepEqual([denial.serverName ?? '', denial.destination], [name, `${address}:443`]);
      await eventually(async () => {
        const told = await lab.sluice('node-1', ['why-denied', denial.connectionId]);
        assert.ok(told.includes(`server   ${name || 'none named'}\n`), told);
        assert.ok(told.includes(`from     ${denial.client}\n`), told);
        assert.ok(told.includes(`why      ${why}\n`), told);
      });
    });
  }
});
