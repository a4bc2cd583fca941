import { Buffer } from 'node:buffer';
import type { Resource, ResourceName } from '../../xds-server/serve/index.ts';

/** A resource whose body says its version and what it requires, for clients that are no Envoy. */
export function modelResource(typeUrl: string, name: string, version: string, requires: readonly ResourceName[] = []): Resource {
  return { typeUrl, name, version, requires, body: Buffer.from(JSON.stringify({ name, version, requires })) };
}

export interface ModelBody {
  readonly name: string;
  readonly version: string;
  readonly requires: readonly ResourceName[];
}

export function readModelBody(body: Uint8Array): ModelBody {
  return JSON.parse(Buffer.from(body).toString()) as ModelBody;
}
