import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { SetupError } from '../errors.mjs';

/** What is in @bufbuild/protobuf itself. */
const WELL_KNOWN = 'google/protobuf/';
const MAX_OUTPUT = 256 * 1024 * 1024;

/**
 * Generates JavaScript and declarations for all files, and beside them `descriptors.binpb`, a FileDescriptorSet from which
 * a registry of every message can be made. The folder is replaced as a whole, so it is never half there.
 * @param {import('@bufbuild/protobuf/wkt').FileDescriptorProto[]} files dependencies first
 * @param {string} folder
 * @param {Record<string, string>} [beside] further files to put into the folder, by name
 * @returns {number} how many files were generated
 * @throws {SetupError} `types`, where the generator refuses the descriptors; the folder is then as it was
 */
export function generateTypes(files, folder, beside = {}) {
  for (const file of files) file.messageType.forEach(nameJsonFields);
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
  for (const [name, content] of Object.entries(beside)) write(join(output, name), content);
  replaceFolder(folder, output);
  return generated.length;
}

/**
 * protoc leaves a field's JSON name out of what it embeds in C++, and puts it in only into what it hands to a plugin.
 * @param {import('@bufbuild/protobuf/wkt').DescriptorProto} message changed in place
 */
function nameJsonFields(message) {
  for (const field of message.field) {
    if (field.jsonName === '') field.jsonName = field.name.replaceAll(/_+(.?)/g, (_, letter) => letter.toUpperCase());
  }
  message.nestedType.forEach(nameJsonFields);
}

// Renamed away rather than removed first: who imports from the folder meanwhile sees it missing for an instant at most.
function replaceFolder(folder, replacement) {
  const old = `${folder}.old`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(replacement, folder);
  rmSync(old, { recursive: true, force: true });
}

function runPlugin(input) {
  const bin = join(dirname(createRequire(import.meta.url).resolve('@bufbuild/protoc-gen-es/package.json')), 'bin/protoc-gen-es');
  const result = spawnSync(process.execPath, [bin], { input, maxBuffer: MAX_OUTPUT });
  if (result.status !== 0) throw new SetupError('types', `protoc-gen-es failed: ${result.stderr}`, { cause: result.error });
  const response = fromBinary(CodeGeneratorResponseSchema, result.stdout);
  if (response.error) throw new SetupError('types', `protoc-gen-es: ${response.error}`);
  return response;
}

function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
