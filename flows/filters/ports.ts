import type { TCPFlags } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { IP_PROTOCOLS } from '../../model/index.ts';
import type { Flow } from '../flow.ts';
import { OptionProblem } from '../option-problem.ts';

const { TCP, UDP, SCTP, ICMP, ICMPv6 } = IP_PROTOCOLS;
const WITH_PORTS: ReadonlySet<number> = new Set([TCP, UDP, SCTP]);

export function port(text: string, portOf: (flow: Flow) => number): ((flow: Flow) => boolean) | OptionProblem {
  const wanted = Number(text);
  if (!/^\d{1,5}$/.test(text) || wanted > 65_535) return new OptionProblem(`${JSON.stringify(text)} is no port`);
  return (flow) => WITH_PORTS.has(flow.protocol) && portOf(flow) === wanted;
}

const VRRP = 112;
const IGMP = 2;

const PROTOCOLS: Readonly<Record<string, (flow: Flow) => boolean>> = {
  icmp: ({ protocol }) => protocol === ICMP || protocol === ICMPv6,
  icmpv4: ({ protocol }) => protocol === ICMP,
  icmpv6: ({ protocol }) => protocol === ICMPv6,
  tcp: ({ protocol }) => protocol === TCP,
  udp: ({ protocol }) => protocol === UDP,
  sctp: ({ protocol }) => protocol === SCTP,
  vrrp: ({ protocol }) => protocol === VRRP,
  igmp: ({ protocol }) => protocol === IGMP,
  dns: ({ l7 }) => l7?.kind === 'dns',
  http: ({ l7 }) => l7?.kind === 'http',
  kafka: ({ l7 }) => l7?.kind === 'kafka',
};

/** A protocol of layer 4 or 7, in any case. */
export function protocol(text: string): ((flow: Flow) => boolean) | OptionProblem {
  const name = text.toLowerCase();
  const matches = Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
  return matches ?? new OptionProblem(`${JSON.stringify(text)} is none of ${Object.keys(PROTOCOLS).join(', ')}`);
}

/** All that are set in one have to be set. Of a connection that begins it is known that SYN is, of others nothing. */
export function tcpFlags({ FIN, RST, PSH, ACK, URG, ECE, CWR, NS }: TCPFlags): (flow: Flow) => boolean {
  const asksOthers = [FIN, RST, PSH, ACK, URG, ECE, CWR, NS].includes(true);
  return ({ protocol, kind }) => protocol === TCP && kind === 'connection-begun' && !asksOthers;
}
