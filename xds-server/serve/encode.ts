import { createHash } from 'node:crypto';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Published } from './cache.ts';
import type { Resource } from './resource.ts';
import { encodeRequires } from './role.ts';

// Fields of envoy.service.discovery.v3, written by number: a response is then a concatenation of bytes that exist already.
const DELTA = { systemVersion: 1, resources: 2, typeUrl: 4, nonce: 5, removed: 6 } as const;
const DELTA_RESOURCE = { version: 1, resource: 2, name: 3, metadata: 9 } as const;
const SOTW = { version: 1, resources: 2, typeUrl: 4, nonce: 5 } as const;
const ANY = { typeUrl: 1, value: 2 } as const;

export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersion: string;
  /** What is set (a resource) and removed (null). */
  readonly entries: ReadonlyMap<string, Published | null>;
  /** Whether each resource says what it requires. */
  readonly withRequires: boolean;
}

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/discovery/v3/discovery.proto#service-discovery-v3-deltadiscoveryresponse */
export function encodeDeltaResponse({ typeUrl, nonce, systemVersion, entries, withRequires }: DeltaResponse): Uint8Array {
  const writer = new BinaryWriter();
  writeString(writer, DELTA.systemVersion, systemVersion);
  for (const entry of entries.values()) if (entry) writeDeltaResource(writer, entry.resource, withRequires);
  writeString(writer, DELTA.typeUrl, typeUrl);
  writeString(writer, DELTA.nonce, nonce);
  for (const [name, entry] of entries) if (!entry) writeString(writer, DELTA.removed, name);
  return writer.finish();
}

export interface SotwResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: Iterable<Resource>;
}

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/discovery/v3/discovery.proto#service-discovery-v3-discoveryresponse */
export function encodeSotwResponse({ typeUrl, nonce, version, resources }: SotwResponse): Uint8Array {
  const writer = new BinaryWriter();
  writeString(writer, SOTW.version, version);
  for (const resource of resources) writeAny(writer, SOTW.resources, resource);
  writeString(writer, SOTW.typeUrl, typeUrl);
  writeString(writer, SOTW.nonce, nonce);
  return writer.finish();
}

/** One version for a set of resources, the same for the same set whatever its order. */
export function versionOfSet(resources: Iterable<Resource>): string {
  const lines = Array.from(resources, ({ name, version }) => `${name}\0${version}\n`).sort();
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  return hash.digest('base64url').slice(0, 22);
}

function writeDeltaResource(writer: BinaryWriter, resource: Resource, withRequires: boolean): void {
  writer.tag(DELTA.resources, WireType.LengthDelimited).fork();
  writeString(writer, DELTA_RESOURCE.version, resource.version);
  writeAny(writer, DELTA_RESOURCE.resource, resource);
  writeString(writer, DELTA_RESOURCE.name, resource.name);
  const metadata = withRequires ? encodeRequires(resource) : undefined;
  if (metadata) writer.tag(DELTA_RESOURCE.metadata, WireType.LengthDelimited).bytes(metadata);
  writer.join();
}

function writeAny(writer: BinaryWriter, field: number, { typeUrl, body }: Resource): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  writeString(writer, ANY.typeUrl, typeUrl);
  writer.tag(ANY.value, WireType.LengthDelimited).bytes(body);
  writer.join();
}

function writeString(writer: BinaryWriter, field: number, text: string): void {
  if (text !== '') writer.tag(field, WireType.LengthDelimited).string(text);
}
