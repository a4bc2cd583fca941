import { FilterChainConfigSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/filter_chain/v3/filter_chain_pb.js';
import type { Direction, FieldRef, HttpRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { lookalikesOf } from '../http/index.ts';
import { translateHeaderActions, withoutOwnHeaders } from './header-actions.ts';
import { translateAllowAll, translateHttpRules } from './http-rules.ts';
import { isUsable } from './joined-regexes.ts';
import { withoutLookalikes } from './lookalikes.ts';
import type { SlotOptions } from './options.ts';
import { collectSecrets } from './secrets.ts';
import type { TranslatedRules } from './translate-slot.ts';

export interface HttpFilterInput {
  /** Its name. */
  readonly slot: string;
  readonly direction: Direction;
  readonly rules: readonly HttpRule[];
  /** What lets every request pass; nothing: only the rules let any. */
  readonly allowsAll: readonly FieldRef[];
  /** Whether what rules do not allow passes too, as it was sent, and is marked. */
  readonly audits: boolean;
}

/**
 * The filter of HTTP rules: the one that lets requests pass, alone or among those that compare and change headers. It is one in any case, so that
 * no request meets some of one state and some of another.
 */
export function translateHttpFilter({ slot, direction, rules, allowsAll, audits }: HttpFilterInput, options: SlotOptions): TranslatedRules {
  const { regexMaxProgramSize, secretValue = () => undefined } = options;
  const readsPathsAlike = options.http.pathNormalization !== 'none';
  const secrets = collectSecrets(slot, rules, secretValue);
  const usable = rules.filter((rule) => isUnderstood(rule, regexMaxProgramSize) && secrets.isUsable(rule));
  const isOpen = allowsAll.length > 0;
  const access = isOpen
    ? translateAllowAll(direction, allowsAll)
    : translateHttpRules(usable, { direction, secrets, maxProgramSize: regexMaxProgramSize, readsPathsAlike, audits });
  const actions = translateHeaderActions(usable, secrets, audits);
  const { resource, filters: comparisons } = secrets;
  const lookalikes = options.http.headersWithUnderscores === 'allow' && !audits ? withoutLookalikes(usable, regexMaxProgramSize) : [];
  if (lookalikes.length + comparisons.length + actions.length === 0) return { config: access, secrets: [resource] };
  const ownHeaders = comparisons.length > 0 ? [withoutOwnHeaders(rules, secrets)] : [];
  const filters = [...lookalikes, ...ownHeaders, ...comparisons, { name: 'sluice.rules', typedConfig: access }, ...actions, ...ownHeaders];
  return { config: anyOf(FilterChainConfigSchema, { defaultFilterChain: { filters } }), secrets: [resource] };
}

/** A rule that Envoy would refuse takes all others with it. */
function isUnderstood({ method, path, host, headers }: HttpRule, maxProgramSize: number): boolean {
  const patterns = [method, path, host].flatMap((each) => each?.regex ?? []);
  return [...patterns, ...headers.flatMap(({ name }) => lookalikesOf(name))].every((regex) => isUsable(regex, maxProgramSize));
}
