import { readFileSync } from 'node:fs';
import { createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

let loaded: FileRegistry | undefined;

/**
 * Every message of the Envoy binary, by name: what canonical JSON needs to look inside a `google.protobuf.Any`. Made from
 * the descriptors on first use, so that who never prints resources never pays for it.
 */
export function envoyRegistry(): FileRegistry {
  loaded ??= createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(new URL('gen/descriptors.binpb', import.meta.url))));
  return loaded;
}
