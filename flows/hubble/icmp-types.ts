import { IP_PROTOCOLS } from '../../model/index.ts';
import type { Flow } from '../flow.ts';

/** @see https://www.iana.org/assignments/icmp-parameters/icmp-parameters.xhtml#icmp-parameters-types */
const ICMP_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'EchoReply'],
  [3, 'DestinationUnreachable'],
  [4, 'SourceQuench'],
  [5, 'Redirect'],
  [8, 'EchoRequest'],
  [9, 'RouterAdvertisement'],
  [10, 'RouterSolicitation'],
  [11, 'TimeExceeded'],
  [12, 'ParameterProblem'],
  [13, 'TimestampRequest'],
  [14, 'TimestampReply'],
  [15, 'InfoRequest'],
  [16, 'InfoReply'],
  [17, 'AddressMaskRequest'],
  [18, 'AddressMaskReply'],
]);

/** @see https://www.iana.org/assignments/icmpv6-parameters/icmpv6-parameters.xhtml#icmpv6-parameters-2 */
const ICMPV6_TYPES: ReadonlyMap<number, string> = new Map([
  [1, 'DestinationUnreachable'],
  [2, 'PacketTooBig'],
  [3, 'TimeExceeded'],
  [4, 'ParameterProblem'],
  [128, 'EchoRequest'],
  [129, 'EchoReply'],
  [133, 'RouterSolicitation'],
  [134, 'RouterAdvertisement'],
  [135, 'NeighborSolicitation'],
  [136, 'NeighborAdvertisement'],
  [137, 'Redirect'],
]);

/**
 * As Hubble calls it, without the code, which the datapath does not tell; the number where it has no name.
 * @returns undefined where it is no message of ICMP, or one whose type could not be read
 */
export function icmpTypeName({ protocol, icmpType }: Pick<Flow, 'protocol' | 'icmpType'>): string | undefined {
  if (icmpType === undefined) return undefined;
  if (protocol === IP_PROTOCOLS.ICMP) return ICMP_TYPES.get(icmpType) ?? String(icmpType);
  return protocol === IP_PROTOCOLS.ICMPv6 ? (ICMPV6_TYPES.get(icmpType) ?? String(icmpType)) : undefined;
}
