import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { SetupError } from '../errors.mjs';

// protoc embeds each file's descriptor, serialised, in the C++ it generates; the binary's data section therefore holds
// them one by one. Each begins with field 1 (tag 0x0a), the file's name.
const MARKER = Buffer.from('.proto');
const FIELD_NAME = 0x0a;
const LENGTH_DELIMITED = 2;
const VARINT = 0;

/** Wire types that FileDescriptorProto's fields have, by field number. */
const WIRE_TYPES = new Map([
  [1, [LENGTH_DELIMITED]],
  [2, [LENGTH_DELIMITED]],
  [3, [LENGTH_DELIMITED]],
  [4, [LENGTH_DELIMITED]],
  [5, [LENGTH_DELIMITED]],
  [6, [LENGTH_DELIMITED]],
  [7, [LENGTH_DELIMITED]],
  [8, [LENGTH_DELIMITED]],
  [9, [LENGTH_DELIMITED]],
  [10, [VARINT, LENGTH_DELIMITED]],
  [11, [VARINT, LENGTH_DELIMITED]],
  [12, [LENGTH_DELIMITED]],
  [14, [VARINT]],
  [15, [VARINT, LENGTH_DELIMITED]],
]);

/**
 * Finds every serialised `google.protobuf.FileDescriptorProto` in a binary.
 * @param {Buffer} binary the whole executable
 * @returns {import('@bufbuild/protobuf/wkt').FileDescriptorProto[]} in an order in which dependencies come first
 * @throws {SetupError} `types`, where there is none, or a dependency of one that was found is missing: types would be incomplete
 */
export function extractDescriptors(binary) {
  const found = new Map();
  for (const start of candidates(binary)) {
    const file = decode(binary.subarray(start, descriptorEnd(binary, start)));
    if (!file) continue;
    const known = found.get(file.name);
    if (!known || known.size < file.size) found.set(file.name, file);
  }
  if (found.size === 0) throw new SetupError('types', 'the binary holds no protobuf descriptors; is it a stock build of Envoy?');
  return sortByDependency(new Map([...found].map(([name, { descriptor }]) => [name, descriptor])));
}

/** Where a descriptor may begin: tag 1, a length, and a name of that length that ends in `.proto`. */
function* candidates(binary) {
  for (let at = binary.indexOf(MARKER); at >= 0; at = binary.indexOf(MARKER, at + 1)) {
    const end = at + MARKER.length;
    for (let length = MARKER.length + 1; length < 128; length++) {
      const start = end - length - 2;
      if (start < 0) break;
      if (binary[start] === FIELD_NAME && binary[start + 1] === length) {
        yield start;
        break;
      }
      const first = binary[end - length];
      if (first < 0x20 || first > 0x7e) break;
    }
  }
}

/** Walks the fields for as long as they can be those of one FileDescriptorProto. */
function descriptorEnd(binary, start) {
  let at = start;
  let named = false;
  while (at < binary.length) {
    const tag = varint(binary, at);
    if (!tag) return at;
    const field = tag.value >>> 3;
    const wireType = tag.value & 7;
    if (!WIRE_TYPES.get(field)?.includes(wireType) || (field === 1 && named)) return at;
    named ||= field === 1;
    const value = varint(binary, tag.next);
    if (!value) return at;
    const next = wireType === LENGTH_DELIMITED ? value.next + value.value : value.next;
    if (next > binary.length) return at;
    at = next;
  }
  return at;
}

function varint(binary, at) {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = binary[at + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, next: at + index + 1 };
  }
  return undefined;
}

function decode(bytes) {
  try {
    const descriptor = fromBinary(FileDescriptorProtoSchema, bytes);
    return descriptor.name.endsWith('.proto') ? { name: descriptor.name, descriptor, size: bytes.length } : undefined;
  } catch {
    return undefined; // Bytes that only look like a descriptor.
  }
}

function sortByDependency(files) {
  const sorted = [];
  const seen = new Set();
  const visit = (name, wantedBy) => {
    if (seen.has(name)) return;
    seen.add(name);
    const file = files.get(name);
    if (!file) throw new SetupError('types', `the binary has no descriptor of ${name}, which ${wantedBy} imports`);
    for (const dependency of file.dependency) visit(dependency, name);
    sorted.push(file);
  };
  for (const name of [...files.keys()].sort()) visit(name, 'nothing');
  return sorted;
}
