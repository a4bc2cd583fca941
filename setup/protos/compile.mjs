import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { SetupError } from '../errors.mjs';
import { listProtos, PROTOS_FOLDER } from './sources.mjs';

/**
 * Compiles the messages of this project, as opposed to Envoy's.
 * @param {string} root
 * @returns {import('@bufbuild/protobuf/wkt').FileDescriptorProto[]} dependencies first; none where there are no sources
 * @throws {SetupError} `types`, with what the compiler said
 */
export function compileProtos(root) {
  if (listProtos(root).length === 0) return [];
  const folder = join(root, PROTOS_FOLDER);
  const result = spawnSync(join(root, 'node_modules/.bin/buf'), ['build', folder, '--exclude-source-info', '--output', '-']);
  if (result.status !== 0) throw new SetupError('types', `buf: ${result.stderr ?? result.error}`, { cause: result.error });
  return fromBinary(FileDescriptorSetSchema, result.stdout).file;
}
