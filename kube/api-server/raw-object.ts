import { ApiError } from './api-error.ts';

/** What is read of an object before its view: who it is, and which version of it. */
export interface RawObject {
  readonly namespace: string;
  readonly name: string;
  /** Of uid and resource version: equal means the same content. They are compared for equality alone. */
  readonly version: string;
  readonly raw: object;
}

/** @throws ApiError `server-error` where it is no object */
export function readRawObject(raw: unknown): RawObject {
  const metadata = field(raw, 'metadata');
  const name = field(metadata, 'name');
  if (typeof raw !== 'object' || raw === null || typeof name !== 'string') throw new ApiError('server-error', 'the answer holds no object');
  const namespace = field(metadata, 'namespace');
  const uid = field(metadata, 'uid');
  const version = `${typeof uid === 'string' ? uid : ''} ${resourceVersionOf(raw)}`;
  return { namespace: typeof namespace === 'string' ? namespace : '', name, version, raw };
}

export function resourceVersionOf(raw: unknown): string {
  const version = field(field(raw, 'metadata'), 'resourceVersion');
  return typeof version === 'string' ? version : '';
}

export function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
