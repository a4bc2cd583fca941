import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { missingFeatures } from './index.ts';

describe('what the kernel lacks', needs('root', 'bpf'), () => {
  test('is nothing where the programs load', () => {
    assert.deepEqual(missingFeatures(), { policy: [], services: [] });
  });

  test('cannot be said without the rights to ask', () => {
    const module = new URL('./missing-features.ts', import.meta.url).href;
    const program = `const { missingFeatures } = await import('${module}'); try { missingFeatures(); } catch (error) { console.log(error.code); }`;
    const node = [process.execPath, '--input-type=module', '-e', program];
    const { stdout, stderr } = spawnSync('setpriv', ['--bounding-set', '-all', '--inh-caps', '-all', ...node], { encoding: 'utf8' });
    assert.equal(stdout, 'probe-failed\n', stderr);
  });
});
