import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { needs } from '../../testkit/capabilities.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { extractDescriptors } from './extract.mjs';

const NOISE = Buffer.from([0, 255, 10, 7, 65, 10, 200, 46, 0]);

function descriptor(name: string, ...dependency: string[]): Uint8Array {
  const file = create(FileDescriptorProtoSchema, { name, dependency, syntax: 'proto3', messageType: [{ name: 'Thing' }] });
  return toBinary(FileDescriptorProtoSchema, file);
}

function binary(...parts: Uint8Array[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [NOISE, part]).concat(NOISE));
}

describe('extractDescriptors', () => {
  test('finds every descriptor and puts dependencies first', () => {
    const bytes = binary(
      descriptor('a/top.proto', 'c/middle.proto', 'd/leaf.proto'),
      descriptor('c/middle.proto', 'd/leaf.proto'),
      descriptor('d/leaf.proto'),
    );
    assert.deepEqual(
      extractDescriptors(bytes).map((file) => file.name),
      ['d/leaf.proto', 'c/middle.proto', 'a/top.proto'],
    );
  });

  test('passes over names of files that are not descriptors', () => {
    const bytes = Buffer.concat([Buffer.from('error in a/top.proto\0'), binary(descriptor('a/top.proto')), Buffer.from('\nnot/one.proto')]);
    assert.deepEqual(
      extractDescriptors(bytes).map((file) => file.name),
      ['a/top.proto'],
    );
  });

  test('reads a descriptor up to where the next one begins', () => {
    const files = extractDescriptors(Buffer.concat([descriptor('a.proto'), descriptor('b.proto', 'a.proto')]));
    assert.deepEqual(
      files.map((file) => [file.name, file.dependency.length, file.messageType.length]),
      [
        ['a.proto', 0, 1],
        ['b.proto', 1, 1],
      ],
    );
  });

  test('refuses a binary without descriptors', () => {
    assert.throws(() => extractDescriptors(Buffer.from('#!/bin/sh\n')), {
      name: 'SetupError',
      code: 'types',
      message: /no protobuf descriptors/,
    });
  });

  test('refuses a binary that lacks a dependency', () => {
    assert.throws(() => extractDescriptors(binary(descriptor('a.proto', 'lost.proto'))), {
      code: 'types',
      message: 'the binary has no descriptor of lost.proto, which a.proto imports',
    });
  });

  test('finds what the control plane speaks in Envoy', needs('envoy'), () => {
    const names = new Set(extractDescriptors(readFileSync(envoyBinary())).map((file) => file.name));
    for (const name of [
      'envoy/config/listener/v3/listener.proto',
      'envoy/config/route/v3/route.proto',
      'envoy/config/cluster/v3/cluster.proto',
      'envoy/service/discovery/v3/ads.proto',
      'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
      'google/protobuf/any.proto',
    ]) {
      assert.ok(names.has(name), name);
    }
  });
});
