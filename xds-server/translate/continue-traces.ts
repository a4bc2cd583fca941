import type { HeaderMutationSchema as MutationSchema } from '@sluice/envoy-protos/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import { HeaderValueOption_HeaderAppendAction } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import type { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
import { anyOf } from './encode.ts';
import type { Init } from './messages.ts';
import { CHARACTER, IS_OUT_BY_B3, matches, TRACE_PARENTS_OF_B3, when } from './trace-of-b3.ts';

type Mutation = Init<typeof MutationSchema>;

const { ADD_IF_ABSENT, OVERWRITE_IF_EXISTS_OR_ADD } = HeaderValueOption_HeaderAppendAction;

const TRACE_PARENT = 'traceparent';
/** For nobody but these mutations. */
const OWN = 'x-sluice-traceparent';

const SENT = `request.headers['${TRACE_PARENT}']`;
const KEPT = `request.headers['${OWN}']`;
/** Characters of what all versions begin with, and this one is. */
const BEGINNING = 2 + 1 + 32 + 1 + 16 + 1 + 2;
const PARTS = [2, 32, 16, 2].map((length) => `${CHARACTER}{${length}}`).join('-');
/** Of later versions there may be more. */
const MAY_BE_ONE = `${matches(SENT, `${PARTS}$`)} || (${matches(SENT, `${PARTS}-`)} && !${matches(SENT, '00')})`;
/** Else Envoy's tracer would tell of nothing, nor would that of who is asked next. */
const IS_ONE = [
  matches(KEPT, '[0-9a-fA-F-]+$'),
  ...['ff', `${CHARACTER}+-0{32}-`, `${CHARACTER}+-${CHARACTER}+-0{16}-`].map((none) => `!${matches(KEPT, none)}`),
].join(' && ');

/** Of a UUID, as Envoy makes them, an id of a trace and one of a span that nobody will tell of. */
const GROUPS = [8, 4, 4, 4, 12].map((length) => `(${CHARACTER}{${length}})`).join('-');
const OF_UUID = `re.extract(${KEPT}, '^${GROUPS}$', '00-\\\\1\\\\2\\\\3\\\\4\\\\5-\\\\4\\\\5-00')`;

/** A header that is set to nothing stays as it is, so it is removed and comes back if it is one. */
const KEEP_IF_ONE: readonly Mutation[] = [
  remove(OWN),
  set(OWN, `%CEL((${MAY_BE_ONE}) ? ${SENT} : ''):${BEGINNING}%`, OVERWRITE_IF_EXISTS_OR_ADD),
  remove(TRACE_PARENT),
  set(TRACE_PARENT, when(IS_ONE, KEPT), ADD_IF_ABSENT),
];

const STAY_OUT: readonly Mutation[] = [
  set(OWN, '%UNIQUE_ID%', OVERWRITE_IF_EXISTS_OR_ADD),
  set(TRACE_PARENT, when(IS_OUT_BY_B3, OF_UUID), ADD_IF_ABSENT),
  remove(OWN),
];

/**
 * Has a request bring its trace by a `traceparent` that is well formed, or bring none: that is all that Envoy's tracer for OpenTelemetry reads. It is
 * made of B3's headers where there is none that can be read, also where these only say that nothing is to be told.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export const CONTINUE_TRACES: Init<typeof TypedExtensionConfigSchema> = {
  name: 'sluice.continue_traces',
  typedConfig: anyOf(HeaderMutationSchema, {
    mutations: [...KEEP_IF_ONE, ...TRACE_PARENTS_OF_B3.map((value) => set(TRACE_PARENT, value, ADD_IF_ABSENT)), ...STAY_OUT],
  }),
};

/** A value that comes to nothing sets nothing. */
function set(key: string, value: string, appendAction: HeaderValueOption_HeaderAppendAction): Mutation {
  return { action: { case: 'append', value: { header: { key, value }, appendAction, keepEmptyValue: false } } };
}

function remove(name: string): Mutation {
  return { action: { case: 'remove', value: name } };
}
