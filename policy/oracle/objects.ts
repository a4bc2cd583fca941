/** Kubernetes objects as manifests have them; the oracle reads nothing else. */
export interface PlainObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly uid?: string;
  };
  readonly [field: string]: unknown;
}

export interface PlainSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
}

export interface PlainPod extends PlainObject {
  readonly spec: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly serviceAccountName?: string;
    readonly containers?: readonly {
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
    }[];
  };
  readonly status: { readonly phase?: string; readonly podIPs?: readonly { readonly ip: string }[] };
}

export interface PlainNode extends PlainObject {
  readonly spec?: { readonly podCIDRs?: readonly string[] };
  readonly status?: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
}

export interface PlainNetworkPolicy extends PlainObject {
  readonly spec: {
    readonly podSelector?: PlainSelector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly { readonly from?: readonly PlainPeer[]; readonly ports?: readonly PlainPort[] }[];
    readonly egress?: readonly { readonly to?: readonly PlainPeer[]; readonly ports?: readonly PlainPort[] }[];
  };
}

export interface PlainPeer {
  readonly podSelector?: PlainSelector;
  readonly namespaceSelector?: PlainSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

export interface PlainPort {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
}
