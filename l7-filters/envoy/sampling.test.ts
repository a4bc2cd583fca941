import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { MANY, SAMPLED, SAMPLED_REQUESTS, sentOn } from '../../testkit/sampled-requests.ts';
import { SpanReceiver } from '../../testkit/span-receiver.ts';
import { translateCollector } from '../../xds-server/translate/tracing.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpSlot } from './testing/slots.ts';

/** A policy that allows all, and whoever is told of that percentage of the requests without a trace. */
async function judged(sampling: number, cleanUp: AsyncDisposableStack) {
  const receiver = cleanUp.use(await SpanReceiver.start());
  const backend = cleanUp.use(await Backend.start({ name: 'web' }));
  const collector = { ...DEFAULT_SETTINGS.tracing.collector, endpoint: `http://127.0.0.1:${receiver.port}`, protocol: 'http' } as const;
  const options = { ...SLOT_OPTIONS, tracing: { collector, sampling, serviceName: 'edge' } };
  const others = [translateCollector(collector)];
  const port = await freePort();
  const ask = async (headers: Readonly<Record<string, string>> = {}) => sentOn(await requestHttp1({ port, host: 'web.test', headers }));
  const scene = cleanUp.use(await SlotScene.start([{ slot: httpSlot('sampled', [{}]), port, backendPort: backend.port, options, others }]));
  await eventually(async () => {
    assert.deepEqual(scene.refusals, []);
    await ask();
  });
  return { ask, receiver };
}

describe('of the requests that a policy allows', needs('envoy'), () => {
  for (const sampling of [0, 100] as const) {
    test(`those without a trace are told of as ${sampling} % say, the others as their traces say`, async () => {
      await using cleanUp = new AsyncDisposableStack();
      const { ask, receiver } = await judged(sampling, cleanUp);
      const [expected, seen, told]: [string[], string[], string[]] = [[], [], []];
      for (const { name, headers, isTold } of SAMPLED_REQUESTS) {
        const { spanId, isSampled, requestId } = await ask(headers);
        assert.equal(requestId, headers['x-request-id'], `${name}: the server has no id but the client's`);
        if (isTold[sampling]) expected.push(name);
        if (isSampled) seen.push(name);
        told.push(spanId);
      }
      assert.deepEqual(seen, expected);
      // Spans are told in their order, so nothing of these is to come after it.
      const { spanId: last } = await ask(SAMPLED);
      await eventually(() => assert.ok(receiver.spans.some(({ spanId }) => spanId === last)));
      const isKnown = (index: number) => receiver.spans.some(({ spanId }) => spanId === told[index]);
      assert.deepEqual(
        SAMPLED_REQUESTS.flatMap(({ name }, index) => (isKnown(index) ? [name] : [])),
        expected,
      );
    });
  }

  test('of those without a trace, some are told of and some are not', async () => {
    await using cleanUp = new AsyncDisposableStack();
    const { ask } = await judged(50, cleanUp);
    let told = 0;
    for (let count = 0; count < MANY.sent; count += 1) told += Number((await ask()).isSampled);
    assert.ok(told >= MANY.least && MANY.sent - told >= MANY.least, `${told} of ${MANY.sent}`);
  });
});
