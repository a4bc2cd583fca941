import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Resource, ResourceName } from '../serve/index.ts';

/** One line of the log: a resource as it is from now on, or that there is none of the name any more. */
export type StoreRecord = { readonly kind: 'put'; readonly resource: Resource } | { readonly kind: 'delete'; readonly name: ResourceName };

/** What a log holds, as far as it can be read. */
export interface LogContents {
  readonly records: readonly StoreRecord[];
  /** Bytes up to the end of the last record that is whole. */
  readonly end: number;
  /** Stretches of bytes that are no records, besides a torn one at the end. */
  readonly damaged: number;
}

const MAGIC = Buffer.from('SLR1');
const LENGTH = 4;
const DIGEST = 16;
const HEADER = MAGIC.length + LENGTH + DIGEST;

// The payload is a protobuf message, so that a later version can add to it.
const FIELD = { typeUrl: 1, name: 2, version: 3, body: 4, requires: 5, deleted: 6 } as const;
const REQUIRED = { typeUrl: 1, name: 2 } as const;

/**
 * `SLR1`, length of the payload (4 bytes, big-endian), digest, payload. The digest covers the log's own name too, so that bytes
 * which a resource carries are never taken for a record.
 */
export function encodeRecord(logId: string, record: StoreRecord): Buffer {
  const payload = encodePayload(record);
  const header = Buffer.alloc(HEADER);
  MAGIC.copy(header);
  header.writeUInt32BE(payload.length, MAGIC.length);
  digestOf(logId, payload).copy(header, MAGIC.length + LENGTH);
  return Buffer.concat([header, payload]);
}

/** Never throws: what is not a whole record is skipped, and what follows it is read. */
export function decodeLog(logId: string, bytes: Buffer): LogContents {
  const records: StoreRecord[] = [];
  let damaged = 0;
  let end = 0;
  for (let at = bytes.indexOf(MAGIC); at !== -1; ) {
    const decoded = decodeRecord(logId, bytes, at);
    if (!decoded) {
      at = bytes.indexOf(MAGIC, at + 1);
      continue;
    }
    if (at > end) damaged++;
    records.push(decoded.record);
    end = decoded.end;
    at = bytes.indexOf(MAGIC, end);
  }
  return { records, end, damaged };
}

function decodeRecord(logId: string, bytes: Buffer, at: number): { readonly record: StoreRecord; readonly end: number } | undefined {
  const start = at + HEADER;
  if (start > bytes.length) return undefined;
  const end = start + bytes.readUInt32BE(at + MAGIC.length);
  if (end > bytes.length) return undefined;
  const payload = bytes.subarray(start, end);
  if (!digestOf(logId, payload).equals(bytes.subarray(at + MAGIC.length + LENGTH, start))) return undefined;
  try {
    return { record: decodePayload(payload), end };
  } catch {
    // Whole, but not as this version writes it.
    return undefined;
  }
}

function digestOf(logId: string, payload: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(`${logId}\0`), payload]), 'buffer').subarray(0, DIGEST);
}

function encodePayload(record: StoreRecord): Uint8Array {
  const writer = new BinaryWriter();
  const { typeUrl, name } = record.kind === 'put' ? record.resource : record.name;
  writer.tag(FIELD.typeUrl, WireType.LengthDelimited).string(typeUrl);
  writer.tag(FIELD.name, WireType.LengthDelimited).string(name);
  if (record.kind === 'delete') return writer.tag(FIELD.deleted, WireType.Varint).bool(true).finish();
  const { version, body, requires } = record.resource;
  writer.tag(FIELD.version, WireType.LengthDelimited).string(version);
  writer.tag(FIELD.body, WireType.LengthDelimited).bytes(body);
  for (const required of requires) {
    writer.tag(FIELD.requires, WireType.LengthDelimited).fork();
    writer.tag(REQUIRED.typeUrl, WireType.LengthDelimited).string(required.typeUrl);
    writer.tag(REQUIRED.name, WireType.LengthDelimited).string(required.name);
    writer.join();
  }
  return writer.finish();
}

function decodePayload(payload: Uint8Array): StoreRecord {
  const reader = new BinaryReader(payload);
  const requires: ResourceName[] = [];
  let [typeUrl, name, version, deleted] = ['', '', '', false];
  let body: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === FIELD.typeUrl) typeUrl = reader.string();
    else if (field === FIELD.name) name = reader.string();
    else if (field === FIELD.version) version = reader.string();
    // A copy, so that one resource does not keep the whole log in memory.
    else if (field === FIELD.body) body = Uint8Array.from(reader.bytes());
    else if (field === FIELD.requires) requires.push(decodeRequired(reader.bytes()));
    else if (field === FIELD.deleted) deleted = reader.bool();
    else reader.skip(wireType);
  }
  return deleted ? { kind: 'delete', name: { typeUrl, name } } : { kind: 'put', resource: { typeUrl, name, version, body, requires } };
}

function decodeRequired(bytes: Uint8Array): ResourceName {
  const reader = new BinaryReader(bytes);
  let [typeUrl, name] = ['', ''];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === REQUIRED.typeUrl) typeUrl = reader.string();
    else if (field === REQUIRED.name) name = reader.string();
    else reader.skip(wireType);
  }
  return { typeUrl, name };
}
