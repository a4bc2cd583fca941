import { createHmac, hash, randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { LuaSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/lua/v3/lua_pb.js';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { HeaderRule, HeaderValue, HttpRule } from '../../model/index.ts';
import { type Resource, SECRET_TYPE } from '../../xds-server/serve/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { COMPARE_SECRETS } from './compare-secrets.ts';
import type { Filter } from './filter.ts';
import { seenAs } from './sent-headers.ts';

export type SecretRef = Extract<HeaderValue, { kind: 'secret' }>;

/** The value of a key of a Secret; undefined where there is none. */
export type SecretValue = (secret: SecretRef) => Uint8Array | undefined;

/** What the rules of a slot have to do with Secrets. */
export interface SlotSecrets {
  /** Whether every Secret that the rule names has a value that a header can have. */
  isUsable(rule: HttpRule): boolean;
  /** How the outcome of comparing a header with its Secret is called. */
  keyOf(header: HeaderRule): string;
  /** What comes before the rules; nothing where no rule names a Secret. */
  readonly filters: readonly Filter[];
  /** The values, which are there even if there are none. */
  readonly resource: Resource;
}

const PREFIX = 'sluice.slot/';

/** What no header can have. */
const UNSENDABLE = /[\0\r\n]/;

/** Values are sent as they are wanted, and stand in nothing else. */
export function collectSecrets(slot: string, rules: readonly HttpRule[], secretValue: SecretValue): SlotSecrets {
  const entries = new Map<string, string>();
  const missing = new Set<HeaderRule>();
  for (const header of rules.flatMap(({ headers }) => headers)) {
    if (header.value?.kind !== 'secret') continue;
    const value = readValue(header.value, secretValue);
    if (value === undefined) missing.add(header);
    else entries.set(keyOf(header), [keyOf(header), seenAs(header.name), value].map(hexOf).join(':'));
  }
  return {
    isUsable: ({ headers }) => !headers.some((header) => missing.has(header)),
    keyOf,
    filters: entries.size === 0 ? [] : [COMPARE],
    resource: secretResource(secretsOf(slot), [...entries.values()].sort().join(',')),
  };
}

/** The Secret of Envoy's that holds all values for a slot. */
export function secretsOf(slot: string): string {
  return `${PREFIX}${slot}`;
}

function readValue(secret: SecretRef, secretValue: SecretValue): string | undefined {
  const bytes = secretValue(secret) ?? (secret.fallback === undefined ? undefined : Buffer.from(secret.fallback, 'utf8'));
  const text = bytes && Buffer.from(bytes).toString('latin1');
  // As values of headers are, which have no blanks around them; files that Secrets are made from often end with a line.
  const value = text?.trim();
  return value === undefined || value === '' || UNSENDABLE.test(value) ? undefined : value;
}

/** The same as long as header and Secret are: what is compared may change a moment before or after the rules do. */
function keyOf({ name, value }: HeaderRule): string {
  const secret = value?.kind === 'secret' ? [value.namespace, value.name, value.key] : [];
  return hash('sha256', JSON.stringify([name, ...secret])).slice(0, 16);
}

function hexOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

const COMPARE: Filter = {
  name: 'sluice.compare_secrets',
  typedConfig: anyOf(LuaSchema, {
    defaultSourceCode: { specifier: { case: 'inlineString', value: COMPARE_SECRETS } },
    clearRouteCache: false,
  }),
};

/** A plain hash of a value would let whoever sees versions try values until one fits. */
const VERSION_KEY = randomBytes(32);

function secretResource(name: string, value: string): Resource {
  const message = create(SecretSchema, {
    name,
    type: { case: 'genericSecret', value: { secret: { specifier: { case: 'inlineString', value } } } },
  });
  const body = toBinary(SecretSchema, message);
  const version = createHmac('sha256', VERSION_KEY).update(body).digest('base64url').slice(0, 16);
  return { typeUrl: SECRET_TYPE, name, version, body, requires: [] };
}
