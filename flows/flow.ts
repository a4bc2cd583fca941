import type { Direction, Identity, ObjectRef, Workload } from '../model/index.ts';

/** What became of it. `redirected`: given to Envoy, which decides. `audit`: policy does not allow it, and it passed all the same. */
export type FlowVerdict = 'forwarded' | 'dropped' | 'redirected' | 'audit' | 'error';

/** Who sends or receives. What is not known is absent; a world's address has neither pod nor workload. */
export interface FlowPeer {
  /** In canonical form. */
  readonly address: string;
  readonly identity: Identity;
  /** Sorted, each with its source: `k8s:app=web`. */
  readonly labels: readonly string[];
  readonly namespace?: string;
  readonly pod?: string;
  readonly workload?: Workload;
  /** By which DNS knows the address. */
  readonly names?: readonly string[];
  /** The Service whose address it is. */
  readonly service?: { readonly namespace: string; readonly name: string };
}

/** What was asked or answered in layer 7. */
export type FlowLayer7 = HttpExchange | DnsExchange | KafkaExchange;

interface Exchange {
  readonly type: 'request' | 'response';
  /** Of a response: nanoseconds since its request. */
  readonly latency?: bigint;
}

/** Without what may be secret: query strings are cut, and headers are such as are named in the settings. */
export interface HttpExchange extends Exchange {
  readonly kind: 'http';
  readonly method: string;
  readonly url: string;
  /** `HTTP/1.1` */
  readonly protocol: string;
  /** Of a response. */
  readonly code?: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface DnsExchange extends Exchange {
  readonly kind: 'dns';
  /** Ends with a dot. */
  readonly query: string;
  readonly queryTypes: readonly string[];
  readonly addresses: readonly string[];
  readonly canonicalNames: readonly string[];
  /** In seconds. */
  readonly ttl: number;
  readonly code: number;
}

/** @see https://kafka.apache.org/protocol */
export interface KafkaExchange extends Exchange {
  readonly kind: 'kafka';
  /** `produce`, `fetch`, … */
  readonly apiKey: string;
  readonly apiVersion: number;
  readonly correlationId: number;
  /** Empty where it is about none. */
  readonly topic: string;
  /** Of a response; 0 where nothing is wrong. */
  readonly errorCode: number;
}

/** Where in the life of what it tells a flow was seen. */
export type FlowKind = 'connection-begun' | 'connection-ended' | 'packet-dropped' | 'packet-audited' | 'exchange';

/** One thing that was seen on a node: a connection that began or ended, a packet that was dropped, a request or its response. */
export interface Flow {
  readonly uuid: string;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly node: string;
  readonly kind: FlowKind;
  readonly verdict: FlowVerdict;
  /** Why it was dropped, in the words of the datapath: `dropped-not-allowed`; by rules of layer 7: `dropped-request`, or what is refused whatever rules say. */
  readonly reason?: string;
  /** Who sent it. A reply comes from who was asked, a connection from who opened it. */
  readonly source: FlowPeer;
  readonly destination: FlowPeer;
  /** An IP protocol number. */
  readonly protocol: number;
  /** 0 where the protocol has no ports. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** What the client asked for, where Envoy has chosen the destination for it. */
  readonly asked?: { readonly address: string; readonly port: number };
  readonly icmpType?: number;
  /** As the pod of this node sees it that was asked about; absent where none was. */
  readonly direction?: Direction;
  /** Absent where that is not known. */
  readonly isReply?: boolean;
  readonly l7?: FlowLayer7;
  /** The port of Envoy's listener that has it. */
  readonly proxyPort?: number;
  /** The rules that decided. */
  readonly decidedBy: readonly ObjectRef[];
  /** 32 hexadecimal digits, where the application or Envoy has given it one. */
  readonly traceId?: string;
  /** 16 hexadecimal digits: the span of that trace by which it was sent, where who sent it says so, and not that it is told to nobody. */
  readonly parentSpanId?: string;
  readonly requestId?: string;
  /** Of a connection that ended, both ways. */
  readonly traffic?: { readonly packets: bigint; readonly bytes: bigint };
  readonly interfaceIndex?: number;
}
