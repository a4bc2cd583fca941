import type { HarmlessGroup } from './harmless/group.ts';
import { HARMLESS_HTTP } from './harmless/http.ts';
import { HARMLESS_MATCHING } from './harmless/matching.ts';
import { HARMLESS_NETWORK } from './harmless/network.ts';
import { HARMLESS_OBSERVABILITY } from './harmless/observability.ts';
import { HARMLESS_UPSTREAM } from './harmless/upstream.ts';
import { PRIVILEGED_EXTENSIONS } from './privileged/extensions.ts';
import { PRIVILEGED_FIELDS } from './privileged/fields.ts';
import { PRIVILEGED_PARTS } from './privileged/parts.ts';
import type { Privilege, PrivilegedGroup } from './privileged/privilege.ts';
import { PRIVILEGED_VALUES } from './privileged/values.ts';

/** What may stand in an Any of anybody's config: the full names of messages, and why. */
export const HARMLESS: ReadonlyMap<string, string> = reasons([
  ...HARMLESS_HTTP,
  ...HARMLESS_NETWORK,
  ...HARMLESS_UPSTREAM,
  ...HARMLESS_OBSERVABILITY,
  ...HARMLESS_MATCHING,
]);

/** Messages that may not stand in an Any. */
export const EXTENSIONS = byName(PRIVILEGED_EXTENSIONS);
/** Messages that may stand nowhere. */
export const PARTS = byName(PRIVILEGED_PARTS);
/** Fields, `Message.field`, that may not be used at all. */
export const FIELDS = byName(PRIVILEGED_FIELDS);
/** Fields, `Message.field`, that may not have some values. */
export const VALUES = byName(PRIVILEGED_VALUES);

function reasons(groups: readonly HarmlessGroup[]): ReadonlyMap<string, string> {
  return new Map(groups.flatMap(({ why, messages }) => messages.map((name) => [name, why] as const)));
}

function byName(groups: readonly PrivilegedGroup[]): ReadonlyMap<string, Privilege> {
  return new Map(groups.flatMap(({ names, ...privilege }) => names.map((name) => [name, privilege] as const)));
}
