import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ask, ConfiguredSluice } from '../../testkit/configured-sluice.ts';
import { httpConfigManifest, type Json } from '../../testkit/envoy-config-manifests.ts';
import type { Answer } from '../../testkit/http-request.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { MANY, SAMPLED_REQUESTS, sentOn } from '../../testkit/sampled-requests.ts';
import { SpanReceiver } from '../../testkit/span-receiver.ts';

type Ask = (headers?: Readonly<Record<string, string>>) => Promise<Answer>;

const HOST = 'web.test';
/** Another proxy before this one is believed, so ids of requests stay as they came. */
const KEEPING_IDS = { useRemoteAddress: false };
const ROUTES = [{ match: { prefix: '/' }, route: { cluster: 'web' } }];
/** What a config's owner may say of ids. */
const OF_IDS: readonly Json[] = [
  {},
  { requestIdExtension: { typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig' } } },
];

/** An Ingress, and listeners of configs, that tell of that percentage of the requests without a trace. */
async function served(sampling: number, cleanUp: AsyncDisposableStack): Promise<readonly Ask[]> {
  const receiver = cleanUp.use(await SpanReceiver.start());
  const collector = { endpoint: `http://127.0.0.1:${receiver.port}`, protocol: 'http' };
  const sluice = new ConfiguredSluice({ http: KEEPING_IDS, tracing: { enabled: true, sampling, collector } });
  cleanUp.defer(() => sluice.stop());
  await sluice.addBackends('web');
  sluice.write('web.yaml', ingressManifest('web', { rules: { [HOST]: 'web' } }));
  await sluice.start();
  const asks: Ask[] = [async (headers = {}) => await sluice.get(HOST, '/', { headers })];
  for (const [index, http] of OF_IDS.entries()) {
    const make = (port: number) => httpConfigManifest(`config-${index}`, { port, routes: ROUTES, clusters: { web: {} }, http });
    const port = await sluice.serve(`config-${index}`, make);
    asks.push(async (headers = {}) => await ask(port, '/', { headers }));
  }
  return asks;
}

describe('of the requests by Ingresses and configs', { ...needs('envoy'), timeout: 120_000 }, () => {
  for (const sampling of [0, 100] as const) {
    test(`those without a trace are told of as ${sampling} % say, the others as their traces say`, async () => {
      await using cleanUp = new AsyncDisposableStack();
      for (const ask of await served(sampling, cleanUp)) {
        for (const { name, headers, isTold } of SAMPLED_REQUESTS) {
          const { isSampled, requestId } = sentOn(await ask(headers));
          assert.equal(isSampled, isTold[sampling], name);
          const { 'x-request-id': own = requestId } = headers;
          assert.equal(requestId, own, `${name}: the id stays as it is`);
          assert.match(
            String(requestId),
            /^order-4711$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
            `${name}: where there is none, it is made`,
          );
        }
      }
    });
  }

  test('of those without a trace, some are told of and some are not', async () => {
    await using cleanUp = new AsyncDisposableStack();
    const [ask] = await served(50, cleanUp);
    assert.ok(ask);
    let told = 0;
    for (let count = 0; count < MANY.sent; count += 1) told += Number(sentOn(await ask()).isSampled);
    assert.ok(told >= MANY.least && MANY.sent - told >= MANY.least, `${told} of ${MANY.sent}`);
  });
});
