import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** What is in @bufbuild/protobuf itself. */
const WELL_KNOWN = 'google/protobuf/';
const MAX_OUTPUT = 256 * 1024 * 1024;

/**
 * Generates JavaScript and declarations for all files, and beside them `descriptors.binpb`, a FileDescriptorSet from which
 * a registry of every message can be made. The folder is replaced as a whole, so it is never half there.
 * @param {import('@bufbuild/protobuf/wkt').FileDescriptorProto[]} files dependencies first
 * @param {string} folder
 * @returns {number} how many files were generated
 */
export function generateTypes(files, folder) {
  const request = create(CodeGeneratorRequestSchema, {
    // `enum` is not erasable syntax, so the generated code is JavaScript with declarations beside it.
    parameter: 'target=js+dts,import_extension=js',
    protoFile: files,
    fileToGenerate: files.map((file) => file.name).filter((name) => !name.startsWith(WELL_KNOWN)),
  });
  const output = `${folder}.new`;
  rmSync(output, { recursive: true, force: true });
  const generated = runPlugin(toBinary(CodeGeneratorRequestSchema, request)).file;
  for (const file of generated) write(join(output, file.name), file.content);
  write(join(output, 'descriptors.binpb'), toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: files })));
  rmSync(folder, { recursive: true, force: true });
  renameSync(output, folder);
  return generated.length;
}

function runPlugin(input) {
  const bin = join(dirname(createRequire(import.meta.url).resolve('@bufbuild/protoc-gen-es/package.json')), 'bin/protoc-gen-es');
  const result = spawnSync(process.execPath, [bin], { input, maxBuffer: MAX_OUTPUT });
  if (result.status !== 0) throw new Error(`protoc-gen-es failed: ${result.stderr}`);
  const response = fromBinary(CodeGeneratorResponseSchema, result.stdout);
  if (response.error) throw new Error(`protoc-gen-es: ${response.error}`);
  return response;
}

function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
