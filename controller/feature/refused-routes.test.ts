import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest, type PathManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

/** An Envoy that takes smaller expressions than Sluice was told. */
const STRICT_ENVOY = `#!/bin/sh
for argument; do
  case $argument in *.json) sed -i 's/\\("re2.max_program_size.error_level": \\)[0-9]*/\\1100/' "$argument" ;; esac
done
exec '${envoyBinary()}' "$@"
`;
const TOO_LARGE: PathManifest = { path: '/x{200}', pathType: 'ImplementationSpecific', service: 'b' };

const SIZES = {
  'one route configuration': {},
  'a divided table': Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`filler-${index}.test`, 'a'])),
};

for (const [size, fillers] of Object.entries(SIZES)) {
  describe(`routes that Envoy refuses, in ${size}`, needs('envoy'), () => {
    const sluice = new RunningSluice({ envoy: 'strict-envoy' });

    before(async () => {
      const script = sluice.folder.join('strict-envoy');
      writeFileSync(script, STRICT_ENVOY, { mode: 0o755 });
      await sluice.addBackends('a', 'b');
      sluice.write('fillers.yaml', ingressManifest('fillers', { rules: { ...fillers, 'filler.test': 'a' } }));
      writeRoutes('bad', 'a');
      writeRoutes('neighbour', 'a');
      await sluice.start();
    });
    after(() => sluice.stop());

    function writeRoutes(name: string, service: string, ...more: readonly PathManifest[]): void {
      sluice.write(`${name}.yaml`, ingressManifest(name, { rules: { [`${name}.test`]: [{ service }, ...more] } }));
    }

    /** Quarantine takes some exchanges with Envoy, so findings may come a moment later. */
    async function found(...expected: readonly string[]): Promise<void> {
      await eventually(async () => assert.deepEqual(await sluice.findings(), expected));
      await sluice.settled();
    }

    async function whoAnswer(...names: readonly string[]): Promise<readonly string[]> {
      return await Promise.all(names.map((name) => sluice.whoAnswers(`${name}.test`)));
    }

    test('keep what was good before, and their neighbours are updated', async () => {
      assert.deepEqual(await whoAnswer('bad', 'neighbour'), ['a', 'a']);
      writeRoutes('bad', 'b', TOO_LARGE);
      writeRoutes('neighbour', 'b');
      await found('Ingress/bad RejectedByEnvoy');
      assert.deepEqual(await whoAnswer('bad', 'neighbour', 'filler'), ['a', 'b', 'a']);
      assert.match((await sluice.diagnostics())[0]?.message ?? '', /program size/);
      writeRoutes('neighbour', 'a');
      await sluice.settled();
      assert.deepEqual(await whoAnswer('bad', 'neighbour'), ['a', 'a']);
    });

    test('of a new host are answered for with 500', async () => {
      writeRoutes('fresh', 'a', TOO_LARGE);
      await found('Ingress/bad RejectedByEnvoy', 'Ingress/fresh RejectedByEnvoy');
      assert.deepEqual(await whoAnswer('fresh', 'bad', 'neighbour'), ['500', 'a', 'a']);
    });

    test('are found among many that change at once', async () => {
      for (const name of ['one', 'two', 'three', 'four', 'five', 'six']) writeRoutes(name, 'b', ...(name === 'four' ? [TOO_LARGE] : []));
      await found('Ingress/bad RejectedByEnvoy', 'Ingress/four RejectedByEnvoy', 'Ingress/fresh RejectedByEnvoy');
      assert.deepEqual(await whoAnswer('one', 'two', 'three', 'four', 'five', 'six'), ['b', 'b', 'b', '500', 'b', 'b']);
    });

    test('are refused again after Sluice was started anew', async () => {
      await sluice.crash();
      await found('Ingress/bad RejectedByEnvoy', 'Ingress/four RejectedByEnvoy', 'Ingress/fresh RejectedByEnvoy');
      assert.deepEqual(await whoAnswer('fresh', 'four'), ['500', '500']);
      await eventually(async () => assert.deepEqual(await whoAnswer('neighbour', 'one', 'six', 'filler'), ['a', 'b', 'b', 'a']));
    });

    test('are served once they are put right, or gone', async () => {
      writeRoutes('bad', 'b');
      writeRoutes('fresh', 'b');
      sluice.remove('four.yaml');
      await sluice.settled();
      await found();
      assert.deepEqual(await whoAnswer('bad', 'fresh', 'four', 'neighbour'), ['b', 'b', '404', 'a']);
    });

    test('cost their neighbours no request, also where an adopted Envoy said yes before', async () => {
      await sluice.crash();
      const seen = new Set<string>();
      let isOver = false;
      const asking = (async () => {
        while (!isOver) for (const answer of await whoAnswer('neighbour', 'one', 'filler')) seen.add(answer);
      })();
      writeRoutes('bad', 'a', TOO_LARGE);
      await found('Ingress/bad RejectedByEnvoy').finally(() => {
        isOver = true;
      });
      await asking;
      assert.deepEqual([...seen].sort(), ['a', 'b']);
      assert.deepEqual(await whoAnswer('bad'), ['b']);
    });
  });
}
