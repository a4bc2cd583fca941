import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type Answer, echoOf, requestHttp1 } from '../../testkit/http-request.ts';
import { NORMALIZED_PATHS } from '../../testkit/normalized-paths.ts';
import { freePort } from '../../testkit/ports.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpSlot } from './testing/slots.ts';

for (const pathNormalization of ['none', 'base', 'merge-slashes', 'full'] as const) {
  describe(`paths through a slot: ${pathNormalization}`, needs('envoy'), () => {
    let backend: Backend;
    let scene: SlotScene;
    let port = 0;

    before(async () => {
      backend = await Backend.start({ name: 'pod' });
      port = await freePort();
      const options = { ...SLOT_OPTIONS, http: { ...SLOT_OPTIONS.http, pathNormalization } };
      scene = await SlotScene.start([{ slot: httpSlot('open', [{ method: 'GET' }]), port, backendPort: backend.port, options }]);
      await eventually(() => requestHttp1({ port, host: 'web.test' }));
    });
    after(async () => {
      await scene?.[Symbol.asyncDispose]();
      await backend?.[Symbol.asyncDispose]();
    });

    for (const { sent, seen } of NORMALIZED_PATHS) {
      test(sent, async () => assert.equal(outcomeOf(await requestHttp1({ port, host: 'web.test', path: sent })), seen[pathNormalization]));
    }
  });
}

function outcomeOf(answer: Answer): string | number {
  return answer.status === 200 ? echoOf(answer).url : answer.status;
}
