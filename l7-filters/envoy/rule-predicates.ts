import { DynamicMetadataInputSchema } from '@sluice/envoy-protos/envoy/extensions/matching/common_inputs/network/v3/network_inputs_pb.js';
import { MetadataSchema } from '@sluice/envoy-protos/envoy/extensions/matching/input_matchers/metadata/v3/metadata_pb.js';
import type { HeaderRule, HttpRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { SLOT_METADATA } from './compare-secrets.ts';
import { anyOfThem, equals, isPresent, matchesFully, type Predicate, startsWith } from './matching.ts';
import { AUTHORITY, METHOD, PATH } from './names.ts';
import { type Pattern, patternOf } from './pattern.ts';
import type { SlotSecrets } from './secrets.ts';
import { seenAs } from './sent-headers.ts';

/** What must hold for a rule to allow a request, all of it; none: it allows every request. */
export function rulePredicates(rule: HttpRule, secrets: SlotSecrets): readonly Predicate[] {
  return [...textPredicates(PATH, patternOf(rule.path?.regex)), ...predicatesBesidePath(rule, secrets)];
}

/** The same but for the path. */
export function predicatesBesidePath({ method, host, headers }: HttpRule, secrets: SlotSecrets): readonly Predicate[] {
  return [
    ...textPredicates(METHOD, patternOf(method?.regex)),
    ...textPredicates(AUTHORITY, patternOf(host?.regex)),
    ...headers.filter(({ mismatch }) => mismatch === 'deny').map((header) => hasHeader(header, secrets)),
  ];
}

/** That a request has the header as the rule has it. */
export function hasHeader(header: HeaderRule, secrets: SlotSecrets): Predicate {
  const { value } = header;
  const name = seenAs(header.name);
  if (value === undefined) return isPresent(name);
  return value.kind === 'literal' ? equals(name, value.text) : isMarked(secrets.keyOf(header));
}

function textPredicates(header: string, pattern: Pattern): readonly Predicate[] {
  switch (pattern.kind) {
    case 'any':
      return [];
    case 'exact':
      return [anyOfThem(pattern.texts.map((text) => equals(header, text)))];
    case 'prefix':
      return [startsWith(header, pattern.text)];
    case 'regex':
      return [matchesFully(header, pattern.regex)];
  }
}

/** That an earlier filter said so. */
function isMarked(key: string): Predicate {
  const input = anyOf(DynamicMetadataInputSchema, { filter: SLOT_METADATA, path: [{ segment: { case: 'key', value: key } }] });
  const matcher = anyOf(MetadataSchema, { value: { matchPattern: { case: 'boolMatch', value: true } } });
  return {
    matchType: {
      case: 'singlePredicate',
      value: {
        input: { name: key, typedConfig: input },
        matcher: { case: 'customMatch', value: { name: 'metadata', typedConfig: matcher } },
      },
    },
  };
}
