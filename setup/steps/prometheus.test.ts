import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { installPrometheus } from './prometheus.mjs';

const PROGRAMS = ['prometheus', 'promtool'];

describe('installPrometheus', () => {
  const path = process.env['PATH'];
  let folder: TemporaryFolder;
  beforeEach(() => {
    folder = new TemporaryFolder();
    for (const name of ['setup', 'bin']) mkdirSync(folder.join(name));
    process.env['PATH'] = folder.join('bin');
  });
  afterEach(() => {
    if (path !== undefined) process.env['PATH'] = path;
    folder[Symbol.dispose]();
  });

  function write(name: string, script: string): void {
    writeFileSync(folder.join('bin', name), `#!/bin/sh\nPATH=${path}\n${script}\n`);
    chmodSync(folder.join('bin', name), 0o755);
  }
  const install = () => installPrometheus({ folder: folder.join('setup') }, () => {});
  const installed = () => readdirSync(folder.join('setup')).sort();

  test('takes what is on the PATH', async () => {
    for (const name of PROGRAMS) write(name, 'exit 0');
    assert.equal((await install()).changed, true);
    assert.equal(realpathSync(folder.join('setup', 'promtool')), realpathSync(folder.join('bin', 'promtool')));
    assert.deepEqual(await install(), { changed: false });
  });

  test("unpacks Debian's package, and installs nothing", async () => {
    write('apt-get', '[ "$*" = "download -q prometheus" ] && touch prometheus_1.deb');
    write('dpkg', '[ "$1" = -x ] && mkdir -p "$3/usr/bin" && touch "$3/usr/bin/prometheus" "$3/usr/bin/promtool"');
    assert.equal((await install()).changed, true);
    assert.deepEqual(installed(), PROGRAMS);
    assert.deepEqual(await install(), { changed: false });
  });

  test('says what is missing where there is no such package', async () => {
    await assert.rejects(install(), { name: 'SetupError', message: /prometheus, promtool missing; put them on the PATH/ });
    assert.deepEqual(installed(), []);
  });
});
