import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { type Answer, echoOf } from '../../testkit/http-request.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { NORMALIZED_PATHS } from '../../testkit/normalized-paths.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const HOST = 'web.test';

for (const pathNormalization of ['none', 'base', 'merge-slashes', 'full'] as const) {
  describe(`paths of an Ingress, as of slots: ${pathNormalization}`, needs('envoy'), () => {
    const sluice = new RunningSluice({ settings: { http: { pathNormalization } } });
    before(async () => {
      await sluice.addBackends('web');
      sluice.write('web.yaml', ingressManifest('web', { rules: { [HOST]: 'web' } }));
      await sluice.start();
    });
    after(() => sluice.stop());

    for (const { sent, seen } of NORMALIZED_PATHS) {
      test(sent, async () => assert.equal(outcomeOf(await sluice.get(HOST, sent)), seen[pathNormalization]));
    }
  });
}

describe('headers with underscores', needs('envoy'), () => {
  const sluice = new RunningSluice({ settings: { http: { headersWithUnderscores: 'drop' } } });
  before(async () => {
    await sluice.addBackends('web');
    sluice.write('web.yaml', ingressManifest('web', { rules: { [HOST]: 'web' } }));
    await sluice.start();
  });
  after(() => sluice.stop());

  test('do not get to servers of Ingresses where they are dropped', async () => {
    const { headers } = echoOf(await sluice.get(HOST, '/', { headers: { x_role: 'admin', 'x-role': 'user' } }));
    assert.deepEqual([headers['x_role'], headers['x-role']], [undefined, 'user']);
  });
});

function outcomeOf(answer: Answer): string | number {
  return answer.status === 200 ? echoOf(answer).url : answer.status;
}
