import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { generateTypes } from './generate.mjs';

const VALID = create(FileDescriptorProtoSchema, { name: 'a/thing.proto', syntax: 'proto3', messageType: [{ name: 'Thing' }] });
const INVALID = create(FileDescriptorProtoSchema, { name: 'b.proto', syntax: 'proto3', dependency: ['lost.proto'] });

describe('generateTypes', () => {
  let folder = '';
  let gen = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-generate-'));
    gen = join(folder, 'gen');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('writes code, declarations, descriptors and what is to go beside', () => {
    assert.equal(generateTypes([VALID], gen, { 'note.txt': 'hello' }), 2);
    assert.deepEqual(readdirSync(gen, { recursive: true }).sort(), [
      'a',
      'a/thing_pb.d.ts',
      'a/thing_pb.js',
      'descriptors.binpb',
      'note.txt',
    ]);
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(join(gen, 'descriptors.binpb')));
    assert.deepEqual(
      set.file.map((file) => file.name),
      ['a/thing.proto'],
    );
    assert.equal(readFileSync(join(gen, 'note.txt'), 'utf8'), 'hello');
  });

  test('replaces the folder as a whole, whatever an interrupted run left', () => {
    for (const leftover of ['gen', 'gen.new', 'gen.old']) {
      mkdirSync(join(folder, leftover));
      writeFileSync(join(folder, leftover, 'stale.js'), '');
    }
    generateTypes([VALID], gen);
    assert.deepEqual(readdirSync(folder), ['gen']);
    assert.deepEqual(readdirSync(gen), ['a', 'descriptors.binpb']);
  });

  test('leaves the folder as it was where the generator fails', () => {
    generateTypes([VALID], gen);
    assert.throws(() => generateTypes([INVALID], gen), { name: 'SetupError', code: 'types', message: /lost\.proto/ });
    assert.deepEqual(readdirSync(gen), ['a', 'descriptors.binpb']);
  });
});
