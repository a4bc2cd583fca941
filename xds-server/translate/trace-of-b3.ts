/** Characters of what is copied: an id of a trace in its two lengths, a hyphen, the id of a span. */
const [LONG, SHORT] = [32 + 1 + 16, 16 + 1 + 16];
/** One range, since an expression may be no larger than a hundred instructions: hexadecimal digits are several. Any character but what is up to the hyphen. */
export const CHARACTER = '[.-~]';
/** In capitals or not: Envoy goes on in small letters. */
const DIGIT = '[0-9a-fA-F]';
const DIGITS_AND_HYPHENS = '[0-9a-fA-F-]';
const SPAN = `${CHARACTER}{16}`;
/** Where nothing is said, it counts as wanted: somebody has begun a trace. */
const STATE = `(-[01d](-${CHARACTER}+)?)?`;
/** By which the short id of a trace becomes a long one. */
const ZEROS = '0000000000000000';

const ONE = "request.headers['b3']";
const TRACE = "request.headers['x-b3-traceid']";
const SPAN_ID = "request.headers['x-b3-spanid']";
const IS_OUT = `${has('x-b3-sampled', ['0', 'false'])} && !${has('x-b3-flags', ['1'])}`;

/**
 * What `traceparent` would be, as formats of Envoy's, by each form that Zipkin's headers (B3, in one header or several) have. Each comes to nothing
 * unless a request has that one.
 * @see https://github.com/openzipkin/b3-propagation
 */
export const TRACE_PARENTS_OF_B3 = [single('{32}', '', LONG), single('{16}', ZEROS, SHORT), several('{32}', ''), several('{16}', ZEROS)];

/** Of what sends no ids, but says that nothing is to be told. */
export const IS_OUT_BY_B3 = `(${has('b3', ['0'])} || ${IS_OUT})`;

function single(length: string, padding: string, taken: number): string {
  const isOne = [
    matches(ONE, `${DIGITS_AND_HYPHENS}+$`),
    matches(ONE, `${CHARACTER}${length}-${SPAN}${STATE}$`),
    `!${matches(ONE, '0+-')}`,
    `!${matches(ONE, `${CHARACTER}+-0{16}`)}`,
  ].join(' && ');
  const isOut = matches(ONE, `${CHARACTER}${length}-${SPAN}-0`);
  return `${when(isOne, `'00-${padding}'`)}%CEL(${isOne} ? ${ONE} : ''):${taken}%${when(isOne, `${isOut} ? '-00' : '-01'`)}`;
}

function several(length: string, padding: string): string {
  const areOne = [
    ...[TRACE, SPAN_ID].flatMap((id) => [matches(id, `${DIGIT}+$`), `!${matches(id, '0+$')}`]),
    matches(TRACE, `${CHARACTER}${length}$`),
    matches(SPAN_ID, `${SPAN}$`),
  ].join(' && ');
  const parts = [`'00-${padding}'`, TRACE, "'-'", SPAN_ID, `(${IS_OUT}) ? '-00' : '-01'`];
  return parts.map((part) => when(areOne, part)).join('');
}

/** Whether it begins as the regular expression has it. */
export function matches(value: string, regex: string): string {
  return `${value}.matches('^${regex}')`;
}

function has(header: string, values: readonly string[]): string {
  const listed = values.map((value) => `'${value}'`).join(', ');
  return `('${header}' in request.headers && request.headers['${header}'] in [${listed}])`;
}

/** Nothing where the condition does not hold, or is about a header that is not there. */
export function when(condition: string, text: string): string {
  return `%CEL(${condition} ? (${text}) : '')%`;
}
