import type { ObjectRef } from './provenance.ts';

/** Where clients of a Service connect to. */
export interface ServiceFrontend {
  /** In canonical form. The unspecified address stands for each of the node's own: NodePorts. */
  readonly address: string;
  /** Host byte order. */
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface ServiceBackend {
  readonly address: string;
  readonly port: number;
}

/**
 * Why addresses of a Service are left to others: sockets of this `protocol` cannot be translated; or which
 * of the node's clients may use them depends on the address that they will have (`source-ranges`).
 */
export type UntranslatedReason = 'protocol' | 'source-ranges';

/** One port of a Service, of one address family, as one node serves it: policies for traffic and topology are already applied. */
export interface ServicePortTranslation {
  /** Unique: `namespace/name:port/TCP/IPv4`, and `/external`, `/refused` or `/untranslated` where not all of its addresses are served alike. */
  readonly name: string;
  readonly service: ObjectRef;
  /** Sorted by address, then port; never empty. No two translations have the same one. */
  readonly frontends: readonly ServiceFrontend[];
  /** Of the same family as the frontends; sorted by address, then port. None: connections are refused. */
  readonly backends: readonly ServiceBackend[];
  /** Those that serve, but are given to nobody new: what is connected to them may stay. Sorted as backends are. */
  readonly draining: readonly ServiceBackend[];
  /** A client (its network namespace) keeps its backend for so long after it last connected; 0 for no affinity. */
  readonly affinitySeconds: number;
  /** Absent: it is translated at the socket. Else it has no backends. */
  readonly untranslated?: UntranslatedReason;
}
