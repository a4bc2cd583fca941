import type { HeaderMutationSchema as MutationSchema } from '@sluice/envoy-protos/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import { HeaderValueOption_HeaderAppendAction } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import type { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
import { anyOf } from './encode.ts';
import type { Init } from './messages.ts';

/** Characters of what is copied: an id of a trace in its two lengths, a hyphen, the id of a span. */
const [LONG, SHORT] = [32 + 1 + 16, 16 + 1 + 16];
/** One range, since an expression may be no larger than a hundred instructions: hexadecimal digits are two. Any character but what is up to the hyphen. */
const CHARACTER = '[.-~]';
const SPAN = `${CHARACTER}{16}`;
/** Where nothing is said, it counts as wanted: somebody has begun a trace. */
const STATE = `(-[01d](-${CHARACTER}+)?)?`;
/** By which the short id of a trace becomes a long one. */
const ZEROS = '0000000000000000';

const ONE = "request.headers['b3']";
const TRACE = "request.headers['x-b3-traceid']";
const SPAN_ID = "request.headers['x-b3-spanid']";
const SAMPLED = "request.headers['x-b3-sampled']";

/** Each is empty unless it is the one. */
const TRACE_PARENTS = [single('{32}', '', LONG), single('{16}', ZEROS, SHORT), several('{32}', ''), several('{16}', ZEROS)];

/**
 * Has a request that brings a trace by Zipkin's headers (B3, in one header or several) bring it by `traceparent` as well, which is all that Envoy's
 * tracer for OpenTelemetry reads. What is no such header changes nothing, and `traceparent` stays where there is one.
 * @see https://github.com/openzipkin/b3-propagation
 */
export const CONTINUE_B3: Init<typeof TypedExtensionConfigSchema> = {
  name: 'sluice.continue_b3',
  typedConfig: anyOf(HeaderMutationSchema, {
    mutations: TRACE_PARENTS.map(
      (value): Init<typeof MutationSchema> => ({
        action: {
          case: 'append',
          value: {
            header: { key: 'traceparent', value },
            appendAction: HeaderValueOption_HeaderAppendAction.ADD_IF_ABSENT,
            // As which it is made where a condition does not hold.
            keepEmptyValue: false,
          },
        },
      }),
    ),
  }),
};

function single(length: string, padding: string, taken: number): string {
  const matches = `${ONE}.matches('^[0-9a-f-]+$') && ${ONE}.matches('^${CHARACTER}${length}-${SPAN}${STATE}$')`;
  const isOut = `${ONE}.matches('^${CHARACTER}${length}-${SPAN}-0')`;
  return `${when(matches, `'00-${padding}'`)}%CEL(${matches} ? ${ONE} : ''):${taken}%${when(matches, `${isOut} ? '-00' : '-01'`)}`;
}

function several(length: string, padding: string): string {
  const matches = [
    ...[TRACE, SPAN_ID].map((id) => `${id}.matches('^[0-9a-f]+$')`),
    `${TRACE}.matches('^${CHARACTER}${length}$')`,
    `${SPAN_ID}.matches('^${SPAN}$')`,
  ].join(' && ');
  const isOut = `'x-b3-sampled' in request.headers && ${SAMPLED} in ['0', 'false']`;
  const parts = [`'00-${padding}'`, TRACE, "'-'", SPAN_ID, `(${isOut}) ? '-00' : '-01'`];
  return parts.map((part) => when(matches, part)).join('');
}

/** Nothing where the condition does not hold, or is about a header that is not there. */
function when(condition: string, text: string): string {
  return `%CEL(${condition} ? (${text}) : '')%`;
}
