import { IP_PROTOCOLS } from '../../model/index.ts';
import type { DnsExchange, Flow, FlowLayer7, HttpExchange, KafkaExchange } from '../flow.ts';
import { protocolName, responseCodeName } from './names.ts';

const MILLISECOND = 1_000_000n;

/** A flow in a few words, which Hubble's clients show as they are: like Cilium's where that has some. */
export function summaryOf(flow: Flow): string {
  return flow.l7 ? ofExchange(flow.l7) : [ofPackets(flow), ...ofTraffic(flow)].join(', ');
}

function ofExchange(l7: FlowLayer7): string {
  switch (l7.kind) {
    case 'http':
      return ofHttp(l7);
    case 'dns':
      return ofDns(l7);
    case 'kafka':
      return ofKafka(l7);
  }
}

function ofKafka({ type, apiKey, correlationId, topic, errorCode }: KafkaExchange): string {
  const about = `${apiKey} correlation id ${correlationId} topic '${topic}'`;
  return type === 'request' ? `Kafka request ${about}` : `Kafka response ${about} return code ${errorCode}`;
}

function ofHttp({ type, method, url, protocol, code = 0, latency = 0n }: HttpExchange): string {
  const request = `${method} ${url}`;
  return type === 'request' ? `${protocol} ${request}` : `${protocol} ${code} ${latency / MILLISECOND}ms (${request})`;
}

function ofDns({ type, query, queryTypes, addresses, canonicalNames, ttl, code }: DnsExchange): string {
  const question = `${query} ${queryTypes.join(',')}`;
  if (type === 'request') return `DNS Query ${question}`;
  const parts = [
    ...(addresses.length > 0 ? [`"${addresses.join(',')}"`] : []),
    ...(canonicalNames.length > 0 ? [`CNAMEs: "${canonicalNames.join(',')}"`] : []),
  ];
  const answer = code === 0 ? parts.join(' ') : `RCode: ${responseCodeName(code)}`;
  return `DNS Answer ${answer} TTL: ${ttl} (Proxy ${question})`;
}

function ofPackets({ kind, protocol, icmpType }: Flow): string {
  const name = protocolName(protocol) ?? `IP protocol ${protocol}`;
  const { TCP, ICMP, ICMPv6 } = IP_PROTOCOLS;
  if (protocol === TCP && kind === 'connection-begun') return 'TCP Flags: SYN';
  if (protocol === ICMP || protocol === ICMPv6) return icmpType === undefined ? name : `${name} type ${icmpType}`;
  return name;
}

function ofTraffic({ traffic }: Flow): readonly string[] {
  return traffic ? [`${traffic.packets} packets`, `${traffic.bytes} bytes`] : [];
}
