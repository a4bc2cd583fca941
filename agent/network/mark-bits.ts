/** Bits of marks that mean something to the kernel's programs: legs, ports and identities. Those of 0xf000 are others', such as kube-proxy's. */
export const OUR_MARK_BITS = 0xffff_0fff;

const META_MARK = '00000003';
const RESTORE = 2;
const ALL = 0xffff_ffff;

/**
 * Which bits of packets' marks a rule may change, as bits of a number.
 * @param expressions of a rule of nf_tables, in the form of `Netfilter.rulesOf`; matches and targets of iptables among them
 */
export function changedMarkBits(expressions: readonly string[]): number {
  const bits = expressions.map((expression, index) => {
    if (expression.startsWith('target(')) return bitsOfTarget(expression);
    const isSet = expression.startsWith('meta(') && attribute(expression, 2) === META_MARK && attribute(expression, 3) !== undefined;
    return isSet ? bitsOfMask(expressions[index - 1] ?? '') : 0;
  });
  return bits.reduce((all, each) => all | each, 0) >>> 0;
}

/** Of what is written to a mark, those bits are as before that a mask leaves and nothing flips. */
function bitsOfMask(before: string): number {
  const [, mask, flip] = /^bitwise\(.*4=\{1=([0-9a-f]{8})\} 5=\{1=([0-9a-f]{8})\}/.exec(before) ?? [];
  return mask === undefined || flip === undefined ? ALL : ~word(mask, 0) | word(flip, 0);
}

/** `struct xt_mark_tginfo2` and `struct xt_connmark_tginfo1`. @see include/uapi/linux/netfilter/xt_connmark.h */
function bitsOfTarget(expression: string): number {
  const name = Buffer.from(attribute(expression, 1) ?? '', 'hex')
    .toString()
    .replace(/\0.*$/, '');
  const info = attribute(expression, 3) ?? '';
  if (name === 'MARK') return word(info, 0) | word(info, 1);
  if (name !== 'CONNMARK') return 0;
  return Number.parseInt(info.slice(24, 26), 16) === RESTORE ? word(info, 2) : 0;
}

function attribute(expression: string, type: number): string | undefined {
  return new RegExp(`[( ]${type}=([0-9a-f]*)[ )]`).exec(expression)?.[1];
}

/** Numbers of the machine, which is little-endian where Envoy runs. */
function word(hex: string, index: number): number {
  const bytes = Buffer.from(hex.slice(8 * index, 8 * index + 8), 'hex');
  return bytes.byteLength === 4 ? bytes.readUInt32LE() : 0;
}
