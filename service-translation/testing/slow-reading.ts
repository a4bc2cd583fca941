/** What these tests have of a Service, as its manifest. */
export interface ServiceManifest {
  readonly metadata: { readonly name: string; readonly creationTimestamp: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly type?: string;
    readonly clusterIPs: readonly string[];
    readonly externalIPs?: readonly string[];
    readonly internalTrafficPolicy?: string;
    readonly externalTrafficPolicy?: string;
    readonly sessionAffinity?: string;
    readonly sessionAffinityConfig?: { readonly clientIP: { readonly timeoutSeconds: number } };
    readonly loadBalancerSourceRanges?: readonly string[];
    readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol: string; readonly nodePort?: number }[];
  };
  readonly status?: { readonly loadBalancer: { readonly ingress: readonly { readonly ip?: string; readonly ipMode?: string }[] } };
}

export interface SliceManifest {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly addressType: string;
  readonly ports: readonly { readonly name?: string; readonly port?: number; readonly protocol: string }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly nodeName?: string;
    readonly conditions: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
    readonly hints?: { readonly forZones?: readonly { name: string }[]; readonly forNodes?: readonly { name: string }[] };
  }[];
}

/** One port of one protocol at one address; `node` stands for the node's own addresses of a family. */
export interface Asked {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly family: string;
}

/** `nothing`: no Service has it. `left`: not ours to translate. Else what answers, in order, and for how long a client keeps it. */
export type Reading = 'nothing' | 'left' | { readonly backends: readonly string[]; readonly keptSeconds: number };

/**
 * Reads the objects as the documentation does, one question at a time: who has this address, and which of its endpoints may a client on this
 * node get? It shares nothing with what it is compared to.
 */
export function readSlowly(
  services: readonly ServiceManifest[],
  slices: readonly SliceManifest[],
  node: { readonly name: string; readonly zone?: string },
  asked: Asked,
): Reading {
  const owner = whoHas(services, asked);
  if (!owner) return 'nothing';
  const { service, how, port } = owner;
  const { spec } = service;
  if (port.protocol === 'SCTP') return 'left';
  // The test asks as clients of which nothing is known.
  if (how === 'load-balancer' && isRestricted(spec.loadBalancerSourceRanges ?? [], asked.family)) return 'left';
  const keptSeconds = spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP.timeoutSeconds ?? 10_800) : 0;

  const all = endpointsOf(service, slices, port, asked.family);
  const names = (some: readonly Endpoint[]) => some.map(({ place }) => place).sort();
  const draining = (some: readonly Endpoint[]) => some.filter((one) => !one.ready && one.serving && one.terminating);
  if (how === 'cluster' && spec.internalTrafficPolicy === 'Local') {
    const here = all.filter((one) => one.node === node.name);
    const ready = here.filter((one) => one.ready);
    return { backends: names(ready.length > 0 ? ready : draining(here)), keptSeconds };
  }
  const ready = all.filter((one) => one.ready);
  if (ready.length === 0) return { backends: names(draining(all)), keptSeconds };
  for (const [hint, here] of [
    ['nodes', node.name],
    ['zones', node.zone],
  ] as const) {
    const everyoneHasHints = ready.every((one) => one[hint].length > 0);
    const forHere = ready.filter((one) => here !== undefined && one[hint].includes(here));
    if (everyoneHasHints && forHere.length > 0) return { backends: names(forHere), keptSeconds };
  }
  return { backends: names(ready), keptSeconds };
}

type How = 'cluster' | 'load-balancer' | 'external' | 'node';

function whoHas(services: readonly ServiceManifest[], asked: Asked) {
  const order: readonly How[] = ['cluster', 'load-balancer', 'external', 'node'];
  const claims = services.flatMap((service) => {
    const { spec, metadata, status } = service;
    const isServed = spec.type !== 'ExternalName' && !(metadata.labels && 'service.kubernetes.io/service-proxy-name' in metadata.labels);
    const familyIsServed = spec.clusterIPs.some((ip) => ip !== 'None' && familyOf(ip) === asked.family);
    if (!isServed || !familyIsServed) return [];
    return spec.ports.flatMap((port) => {
      if (port.protocol !== asked.protocol) return [];
      const ways: How[] = [];
      if (asked.address === 'node') {
        if ((spec.type === 'NodePort' || spec.type === 'LoadBalancer') && port.nodePort === asked.port) ways.push('node');
      } else if (port.port === asked.port) {
        if (spec.clusterIPs.includes(asked.address)) ways.push('cluster');
        if ((status?.loadBalancer.ingress ?? []).some(({ ip, ipMode }) => ip === asked.address && ipMode !== 'Proxy'))
          ways.push('load-balancer');
        if ((spec.externalIPs ?? []).includes(asked.address)) ways.push('external');
      }
      return ways.map((how) => ({ service, how, port }));
    });
  });
  const rank = (how: How) => (how === 'node' ? 2 : order.indexOf(how));
  return claims.sort(
    (a, b) =>
      rank(a.how) - rank(b.how) ||
      Date.parse(a.service.metadata.creationTimestamp) - Date.parse(b.service.metadata.creationTimestamp) ||
      a.service.metadata.name.localeCompare(b.service.metadata.name),
  )[0];
}

interface Endpoint {
  readonly place: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly node: string | undefined;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

function endpointsOf(
  service: ServiceManifest,
  slices: readonly SliceManifest[],
  port: ServiceManifest['spec']['ports'][number],
  family: string,
): readonly Endpoint[] {
  const found: Endpoint[] = [];
  for (const slice of [...slices].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name))) {
    if (slice.metadata.labels['kubernetes.io/service-name'] !== service.metadata.name || slice.addressType !== family) continue;
    for (const slicePort of slice.ports) {
      if ((slicePort.name ?? '') !== (port.name ?? '') || slicePort.protocol !== port.protocol || slicePort.port === undefined) continue;
      for (const { addresses, conditions, nodeName, hints } of slice.endpoints) {
        const place = `${addresses[0]} ${slicePort.port}`;
        const endpoint = {
          place,
          ready: conditions.ready !== false,
          serving: conditions.serving !== false,
          terminating: conditions.terminating === true,
          node: nodeName,
          zones: (hints?.forZones ?? []).map(({ name }) => name),
          nodes: (hints?.forNodes ?? []).map(({ name }) => name),
        };
        const known = found.findIndex((other) => other.place === place);
        const other = found[known];
        if (!other) found.push(endpoint);
        else if (endpoint.ready && !other.ready) found[known] = endpoint;
        else if (endpoint.ready === other.ready && endpoint.serving && !other.serving) found[known] = endpoint;
      }
    }
  }
  return found;
}

function isRestricted(ranges: readonly string[], family: string): boolean {
  const own = ranges.map((range) => range.trim()).filter((range) => familyOf(range) === family);
  return own.length > 0 && !own.some((range) => range.endsWith('/0'));
}

function familyOf(text: string): string {
  return text.includes(':') ? 'IPv6' : 'IPv4';
}
