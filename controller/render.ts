import { create, fromBinary, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { compareText } from '../model/index.ts';
import type { Resource } from '../xds-server/serve/resource.ts';
import { CLUSTER, ENDPOINTS, LISTENER, ROUTES, SCOPED_ROUTES, SECRET } from '../xds-server/translate/types.ts';
import { redactSensitive } from './redact.ts';

/** The short names by which people ask for a type of resource, in the order in which resources are shown. */
export const RESOURCE_TYPES = {
  listener: LISTENER,
  scope: SCOPED_ROUTES,
  route: ROUTES,
  cluster: CLUSTER,
  endpoint: ENDPOINTS,
  secret: SECRET,
} as const;

export type ResourceType = keyof typeof RESOURCE_TYPES;

const RANK = new Map<string, number>(Object.values(RESOURCE_TYPES).map((typeUrl, index) => [typeUrl, index]));
const SHORT = new Map<string, string>(Object.entries(RESOURCE_TYPES).map(([short, typeUrl]) => [typeUrl, short]));

export interface Rendered {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  /** The resource in the canonical JSON of protobuf, with `@type`, every `Any` written out and secrets replaced. */
  readonly body: JsonValue;
}

/** `cluster` for `type.googleapis.com/envoy.config.cluster.v3.Cluster`; for a type without a short name, its last word. */
export function resourceTypeOf(typeUrl: string): string {
  return SHORT.get(typeUrl) ?? typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}

/**
 * Resources as people read them: sorted by type and name, so that equal resources are rendered to equal text. Private keys
 * and whatever else Envoy marks as sensitive is replaced by `[redacted]`.
 * @throws Error for a resource that does not decode, since whoever encoded it has a bug
 */
export function renderResources(resources: Iterable<Resource>): Rendered[] {
  return sortResources(resources).map((resource) => renderResource(resource));
}

export function sortResources(resources: Iterable<Resource>): Resource[] {
  return [...resources].sort(compareResources);
}

/** @param prepare changes the message before it is written out */
export function renderResource({ typeUrl, name, version, body }: Resource, prepare?: (message: ReflectMessage) => void): Rendered {
  const registry = envoyRegistry();
  const schema = registry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
  if (!schema) throw new Error(`${typeUrl} is not a type of this Envoy`);
  const message = fromBinary(schema, body);
  redactSensitive(reflect(schema, message), registry);
  prepare?.(reflect(schema, message));
  const any = create(AnySchema, { typeUrl, value: toBinary(schema, message) });
  return { type: resourceTypeOf(typeUrl), name, version, body: typeFirst(toJson(AnySchema, any, { registry })) };
}

/** Whoever reads wants to know what something is before what is in it. */
function typeFirst(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(typeFirst);
  if (typeof json !== 'object' || json === null) return json;
  const { '@type': type, ...rest } = json;
  const fields = Object.entries(rest).map(([name, value]): [string, JsonValue] => [name, typeFirst(value)]);
  return Object.fromEntries(type === undefined ? fields : [['@type', type], ...fields]);
}

function compareResources(a: Resource, b: Resource): number {
  const rank = (resource: Resource) => RANK.get(resource.typeUrl) ?? RANK.size;
  return rank(a) - rank(b) || compareText(a.typeUrl, b.typeUrl) || compareText(a.name, b.name);
}
