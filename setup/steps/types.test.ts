import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { generateEnvoyTypes } from './types.mjs';

const PACKAGES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const ignore = () => undefined;

describe('generateEnvoyTypes', () => {
  let root = '';
  let folder = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-types-'));
    folder = join(root, '.setup');
    for (const path of [folder, join(root, 'xds-server/proto')]) mkdirSync(path, { recursive: true });
    symlinkSync(PACKAGES, join(root, 'node_modules'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** A script that answers `--version` and carries a descriptor behind its end. */
  function placeEnvoy(version: string): void {
    const script = `#!/bin/sh\necho "envoy  version: 0123abc/${version}/Clean/RELEASE/BoringSSL"\nexit 0\n`;
    const descriptor = create(FileDescriptorProtoSchema, { name: 'a/thing.proto', syntax: 'proto3', messageType: [{ name: 'Thing' }] });
    const content = Buffer.concat([Buffer.from(script), toBinary(FileDescriptorProtoSchema, descriptor)]);
    writeFileSync(join(folder, 'envoy'), content, { mode: 0o755 });
  }

  const generate = () =>
    generateEnvoyTypes({ root, folder, envoyVersion: '1.40.0', envoyHashes: {}, envoyPath: undefined, extras: [] }, ignore);
  const stamp = () => JSON.parse(readFileSync(join(root, 'xds-server/proto/gen/envoy.json'), 'utf8'));

  test('generates once, and says from which Envoy', async () => {
    placeEnvoy('1.40.0');
    assert.deepEqual(await generate(), { changed: true });
    assert.equal(stamp().version, '1.40.0');
    assert.deepEqual(await generate(), { changed: false, detail: 'of 1.40.0' });
  });

  test('a binary that was only copied or touched gives no new types', async () => {
    placeEnvoy('1.40.0');
    await generate();
    utimesSync(join(folder, 'envoy'), 1_000, 1_000);
    assert.deepEqual(await generate(), { changed: false, detail: 'of 1.40.0' });
    assert.equal(stamp().modified, 1_000_000);
  });

  test('another binary gives new types', async () => {
    placeEnvoy('1.40.0');
    await generate();
    placeEnvoy('1.41.0');
    assert.deepEqual(await generate(), { changed: true });
    assert.equal(stamp().version, '1.41.0');
  });

  test("this project's own messages are generated too, and again when they change", async () => {
    placeEnvoy('1.40.0');
    await generate();
    const write = (field: string) => {
      mkdirSync(join(root, 'xds-server/proto/sluice'), { recursive: true });
      writeFileSync(
        join(root, 'xds-server/proto/sluice/own.proto'),
        `syntax = "proto3"; package sluice; message Own { string ${field} = 1; }`,
      );
    };
    for (const field of ['first', 'second']) {
      write(field);
      assert.deepEqual(await generate(), { changed: true });
      assert.deepEqual(await generate(), { changed: false, detail: 'of 1.40.0' });
      assert.match(readFileSync(join(root, 'xds-server/proto/gen/sluice/own_pb.d.ts'), 'utf8'), new RegExp(`${field}: string`));
    }
    writeFileSync(join(root, 'xds-server/proto/sluice/own.proto'), 'message');
    await assert.rejects(generate(), { code: 'types', message: /own\.proto/ });
  });

  test('makes good a stamp that is broken', async () => {
    placeEnvoy('1.40.0');
    await generate();
    writeFileSync(join(root, 'xds-server/proto/gen/envoy.json'), '{"version": ');
    assert.deepEqual(await generate(), { changed: true });
    assert.equal(stamp().version, '1.40.0');
  });
});
