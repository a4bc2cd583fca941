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

/** One port of a Service as one node serves it: policies for traffic and topology are already applied. */
export interface ServicePortTranslation {
  /** Unique: `namespace/name:port/TCP`. */
  readonly name: string;
  readonly frontends: readonly ServiceFrontend[];
  /** Sorted. None: connections are refused. */
  readonly backends: readonly ServiceBackend[];
  /** A client (its network namespace, or its host) keeps its backend for so long after it last connected; 0 for no affinity. */
  readonly affinitySeconds: number;
}
