import type { HeaderMutationSchema as MutationSchema } from '@sluice/envoy-protos/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import { HeaderValueOption_HeaderAppendAction } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import {
  CompositeSchema,
  ExecuteFilterActionSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/http/composite/v3/composite_pb.js';
import { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import { ConfigSchema as SetMetadataSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/set_metadata/v3/set_metadata_pb.js';
import type { HeaderRule, HttpRule } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { headerActions } from '../http/index.ts';
import { SECRET_HEADER, SLOT_METADATA } from './compare-secrets.ts';
import type { Filter } from './filter.ts';
import { allOf, not, type Predicate } from './matching.ts';
import { hasHeader, rulePredicates } from './rule-predicates.ts';
import type { SlotSecrets } from './secrets.ts';
import { seenAs } from './sent-headers.ts';

type Mutation = Init<typeof MutationSchema>;

/** What says that a rule wants a request to be logged. */
export const LOGGED = 'logged';

/**
 * What becomes of headers that are not as rules have them: a filter for each that a rule would have otherwise, which acts where that rule allows a
 * request. They act one after another, so a header that one of them put right is right for those that follow.
 * @param audits whether nothing of a request is to change: what is to be logged is, all the same
 */
export function translateHeaderActions(rules: readonly HttpRule[], secrets: SlotSecrets, audits: boolean): readonly Filter[] {
  const actions = headerActions(rules).filter(({ header }) => !audits || header.mismatch === 'log');
  return actions.map(({ rule, header }) =>
    where(allOf([...rulePredicates(rule, secrets), not(hasHeader(header, secrets))]), actionFor(header, secrets)),
  );
}

/** Takes away the headers that hold values which may be added, whoever sent them. */
export function withoutOwnHeaders(rules: readonly HttpRule[], secrets: SlotSecrets): Filter {
  const headers = rules.flatMap((rule) => rule.headers).filter(({ value }) => value?.kind === 'secret');
  const names = new Set(headers.map((header) => SECRET_HEADER + secrets.keyOf(header)));
  return mutation('sluice.own_headers', [...names].sort().map(remove));
}

function where(predicate: Predicate, filter: Filter): Filter {
  const action = { name: filter.name ?? '', typedConfig: anyOf(ExecuteFilterActionSchema, { typedConfig: filter }) };
  const matchers = [{ predicate, onMatch: { onMatch: { case: 'action', value: action } } as const }];
  return {
    name: 'sluice.header_action',
    typedConfig: anyOf(CompositeSchema, { matcher: { matcherType: { case: 'matcherList', value: { matchers } } } }),
  };
}

function actionFor(header: HeaderRule, secrets: SlotSecrets): Filter {
  switch (header.mismatch) {
    case 'deny':
    case 'log':
      return {
        name: 'log',
        typedConfig: anyOf(SetMetadataSchema, {
          metadata: [{ metadataNamespace: SLOT_METADATA, allowOverwrite: true, value: { [LOGGED]: true } }],
        }),
      };
    case 'add':
      return mutation('add', add(header, secrets));
    case 'delete':
      return mutation('delete', [remove(seenAs(header.name))]);
    case 'replace':
      // Removed by itself: a value that cannot be had would leave the one that is there.
      return mutation('replace', [remove(seenAs(header.name)), set(header, formatOf(header, secrets), 'APPEND_IF_EXISTS_OR_ADD')]);
  }
}

function mutation(name: string, requestMutations: Mutation[]): Filter {
  return { name, typedConfig: anyOf(HeaderMutationSchema, { mutations: { requestMutations } }) };
}

function remove(name: string): Mutation {
  return { action: { case: 'remove', value: name } };
}

function add(header: HeaderRule, secrets: SlotSecrets): Mutation[] {
  const name = seenAs(header.name);
  if (name === header.name) return [set(header, formatOf(header, secrets), 'APPEND_IF_EXISTS_OR_ADD')];
  // Passed on by its text, of which there is one.
  return [
    set(header, `%REQ(${name})%,${formatOf(header, secrets)}`, 'OVERWRITE_IF_EXISTS'),
    set(header, formatOf(header, secrets), 'ADD_IF_ABSENT'),
  ];
}

function set(header: HeaderRule, value: string, action: keyof typeof HeaderValueOption_HeaderAppendAction): Mutation {
  return {
    action: {
      case: 'append',
      value: {
        header: { key: seenAs(header.name), value },
        appendAction: HeaderValueOption_HeaderAppendAction[action],
        keepEmptyValue: header.value === undefined,
      },
    },
  };
}

/** @see https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#format-strings */
function formatOf(header: HeaderRule, secrets: SlotSecrets): string {
  if (header.value?.kind === 'secret') return `%REQ(${SECRET_HEADER}${secrets.keyOf(header)})%`;
  return header.value?.text.replaceAll('%', '%%') ?? '';
}
