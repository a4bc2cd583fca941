import { BlockList } from 'node:net';
import { refOf, type Service } from '../kube/index.ts';
import type { Diagnostic } from '../model/index.ts';
import { diagnose } from './codes.ts';
import { type Family, familyOf } from './usable-address.ts';

/** Which of a node's clients may connect to a load balancer's addresses. */
export type Allowed = 'all' | 'none' | 'some';

interface Range {
  readonly address: string;
  readonly length: number;
  readonly family: Family;
}

/**
 * What `loadBalancerSourceRanges` means for clients on a node, as kube-proxy has it: without ranges of a family everybody is
 * allowed, and by one of length 0.
 * @param clients prefixes that clients on the node have their addresses of
 */
export function judgeSourceRanges(service: Service, family: Family, clients: readonly string[], diagnostics: Diagnostic[]): Allowed {
  const ranges = rangesOf(service, family, diagnostics);
  if (areAll(ranges)) return 'all';
  const own = clients.flatMap((text) => parseRange(text) ?? []).filter((range) => range.family === family);
  // Nothing is known of them.
  if (own.length === 0) return 'some';
  if (own.every((client) => ranges.some((range) => holds(range, client)))) return 'all';
  return own.some((client) => ranges.some((range) => holds(range, client) || holds(client, range))) ? 'some' : 'none';
}

/** Whether whoever asks a load balancer's addresses may do so. */
export function allowsEverybody(service: Service, family: Family): boolean {
  return areAll(rangesOf(service, family, []));
}

function rangesOf(service: Service, family: Family, diagnostics: Diagnostic[]): readonly Range[] {
  return readRanges(service, diagnostics).filter((range) => range.family === family);
}

function areAll(ranges: readonly Range[]): boolean {
  return ranges.length === 0 || ranges.some(({ length }) => length === 0);
}

/** One that is wrong counts as one that allows nobody: to leave it out could let everybody in. */
function readRanges(service: Service, diagnostics: Diagnostic[]): readonly Range[] {
  return service.spec.loadBalancerSourceRanges.flatMap((text, index) => {
    // The API server takes them with blanks around.
    const range = parseRange(text.trim());
    if (range) return [range];
    diagnostics.push(diagnose(refOf(service), ['spec', 'loadBalancerSourceRanges', index], 'InvalidSourceRange', `"${text}" is no CIDR`));
    return [
      { address: '0.0.0.0', length: 32, family: 'IPv4' },
      { address: '::', length: 128, family: 'IPv6' },
    ] as const;
  });
}

function parseRange(text: string): Range | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const family = familyOf(address);
  if (family === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  return Number(length) <= (family === 'IPv4' ? 32 : 128) ? { address, length: Number(length), family } : undefined;
}

function holds(outer: Range, inner: Range): boolean {
  if (outer.length > inner.length) return false;
  const family = outer.family === 'IPv4' ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(outer.address, outer.length, family);
  return list.check(inner.address, family);
}
