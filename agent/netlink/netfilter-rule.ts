import { encodeAttribute, listAttributes, nestAttributes, readAttributes, textIn, viewOf } from './message.ts';

// What a rule of nf_tables does, as the kernel's small machine has it. @see https://man7.org/linux/man-pages/man8/nft.8.html
// and include/uapi/linux/netfilter/nf_tables.h

/** One step of a rule: a condition or what is done. */
export interface Statement {
  /** As `nft` writes it. */
  readonly text: string;
  readonly expressions: readonly Uint8Array[];
}

const LIST_ELEM = 1;
const EXPR_NAME = 1;
const EXPR_DATA = 2;
const DATA_VALUE = 1;
const DATA_VERDICT = 2;
const VERDICT_CODE = 1;
const NF_DROP = 0;
const VERDICT_REGISTER = 0;
const REGISTER = 1;
const COMPARISONS = { '==': 0, '!=': 1, '<=': 3, '>=': 5 } as const;
const META_KEYS = { mark: 3, nfproto: 15, l4proto: 16, iifname: 6 } as const;
const SOCKET_MARK = 1;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
const IPPROTO_TCP = 6;
const NFPROTO = { ip: 2, ip6: 10 } as const;
const SOURCE_ADDRESS = { ip: { offset: 12, length: 4 }, ip6: { offset: 8, length: 16 } } as const;
const NAT_SNAT = 0;
const NF_NAT_RANGE_MAP_IPS = 1;
/** Attributes whose value is a list of others, by the expression that has them. */
const NESTED: Readonly<Record<string, readonly number[]>> = { bitwise: [4, 5], cmp: [3], immediate: [2] };

/** Whether the mark of the packet is `value` in the bits of `mask`, or is not. */
export function markIs(mask: number, comparison: '==' | '!=', value: number): Statement {
  return {
    text: `meta mark & ${hex(mask)} ${comparison} ${hex(value)}`,
    expressions: [meta('mark'), ...compareMark(mask, comparison, value)],
  };
}

/** The same of the mark of the socket that the packet would be given to; a packet for which there is none does not match. */
export function socketMarkIs(mask: number, value: number): Statement {
  const load = expression('socket', bigEndian(1, SOCKET_MARK), bigEndian(2, REGISTER));
  return { text: `socket mark & ${hex(mask)} == ${hex(value)}`, expressions: [load, ...compareMark(mask, '==', value)] };
}

/** Whether it is TCP to one of these ports. */
export function tcpPortWithin(first: number, last: number): Statement {
  const isTcp = [meta('l4proto'), compare('==', Uint8Array.of(IPPROTO_TCP))];
  const load = payload(TRANSPORT_HEADER, 2, 2);
  return {
    text: `tcp dport ${first}-${last}`,
    expressions: [...isTcp, load, compare('>=', networkOrder(first)), compare('<=', networkOrder(last))],
  };
}

export function notrack(): Statement {
  return { text: 'notrack', expressions: [expression('notrack')] };
}

export function drop(): Statement {
  const verdict = nestAttributes(2, nestAttributes(DATA_VERDICT, bigEndian(VERDICT_CODE, NF_DROP)));
  return { text: 'drop', expressions: [expression('immediate', bigEndian(1, VERDICT_REGISTER), verdict)] };
}

/** Gives the connection the source address that it has, in a chain of type `nat`: no later chain gives it another. */
export function keepSource(family: keyof typeof NFPROTO): Statement {
  const { offset, length } = SOURCE_ADDRESS[family];
  const attributes = [bigEndian(1, NAT_SNAT), bigEndian(2, NFPROTO[family]), bigEndian(3, REGISTER), bigEndian(4, REGISTER)];
  return {
    text: `meta nfproto ${family} snat to ${family} saddr`,
    expressions: [
      meta('nfproto'),
      compare('==', Uint8Array.of(NFPROTO[family])),
      payload(NETWORK_HEADER, offset, length),
      expression('nat', ...attributes, bigEndian(7, NF_NAT_RANGE_MAP_IPS)),
    ],
  };
}

/** The value of an attribute that holds the expressions of a rule. */
export function encodeExpressions(statements: readonly Statement[]): Uint8Array {
  return Buffer.concat(statements.flatMap(({ expressions }) => expressions));
}

/**
 * The expressions of a rule, each as a text that is the same for those that do the same, however their attributes are ordered.
 * @throws NetlinkError `malformed`
 */
export function canonicalExpressions(list: DataView): readonly string[] {
  return listAttributes(list).map(([, element]) => {
    const attributes = readAttributes(element);
    const name = textIn(attributes.get(EXPR_NAME) ?? new DataView(new ArrayBuffer(0)));
    const data = attributes.get(EXPR_DATA);
    return `${name}(${data === undefined ? '' : canonicalAttributes(data, NESTED[name] ?? [])})`;
  });
}

function canonicalAttributes(view: DataView, nested: readonly number[]): string {
  const texts = [...readAttributes(view)].map(([type, value]) => {
    const text = nested.includes(type) ? `{${canonicalAttributes(value, type === 2 ? [DATA_VERDICT] : [])}}` : hexOf(value);
    return [type, text] as const;
  });
  return texts
    .sort(([a], [b]) => a - b)
    .map(([type, text]) => `${type}=${text}`)
    .join(' ');
}

function expression(name: string, ...attributes: readonly Uint8Array[]): Uint8Array {
  const data = attributes.length === 0 ? [] : [nestAttributes(EXPR_DATA, ...attributes)];
  return nestAttributes(LIST_ELEM, encodeAttribute(EXPR_NAME, name), ...data);
}

function meta(key: keyof typeof META_KEYS): Uint8Array {
  return expression('meta', bigEndian(1, REGISTER), bigEndian(2, META_KEYS[key]));
}

function payload(base: number, offset: number, length: number): Uint8Array {
  return expression('payload', bigEndian(1, REGISTER), bigEndian(2, base), bigEndian(3, offset), bigEndian(4, length));
}

function compare(comparison: keyof typeof COMPARISONS, value: Uint8Array): Uint8Array {
  const data = nestAttributes(3, encodeAttribute(DATA_VALUE, value));
  return expression('cmp', bigEndian(1, REGISTER), bigEndian(2, COMPARISONS[comparison]), data);
}

function compareMark(mask: number, comparison: '==' | '!=', value: number): readonly Uint8Array[] {
  const word = (number: number) => encodeAttribute(DATA_VALUE, number);
  const masked = expression(
    'bitwise',
    ...[bigEndian(1, REGISTER), bigEndian(2, REGISTER), bigEndian(3, 4)],
    ...[nestAttributes(4, word(mask)), nestAttributes(5, word(0)), bigEndian(6, 0)],
  );
  // A mark is a number of the machine, as the registers have it.
  return [masked, compare(comparison, new Uint8Array(Int32Array.of(value).buffer))];
}

/** An attribute whose value is a number of 32 bits in network order, which is how nf_tables has all of its own. */
export function bigEndian(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setInt32(0, value);
  return encodeAttribute(type, bytes);
}

function networkOrder(port: number): Uint8Array {
  const bytes = new Uint8Array(2);
  viewOf(bytes).setUint16(0, port);
  return bytes;
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}

function hexOf(view: DataView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('hex');
}
