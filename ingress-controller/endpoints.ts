import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { type EndpointSlice, quote, refOf, type Service } from '../kube/index.ts';
import { compareText, type Diagnostic, type Endpoint, type EndpointHints, type EndpointSet, type FieldPath } from '../model/index.ts';
import { serving, servingNodes } from './endpoint-clients.ts';
import { endpointSetName } from './protocol.ts';
import { diagnose } from './report.ts';
import { findServicePort } from './service-port.ts';

export interface EndpointsResult {
  readonly endpoints: EndpointSet;
  readonly diagnostics: readonly Diagnostic[];
}

interface Candidate extends Endpoint, EndpointHints {
  readonly family: 'IPv4' | 'IPv6';
  /** Still answers while it goes away. */
  readonly draining: boolean;
  /** Whose it is; undefined where nobody says. */
  readonly target: string | undefined;
  readonly node: string | undefined;
}

export interface EndpointOptions {
  /** Whether endpoints have their address of the other family, too. Default: false. */
  readonly withBothFamilies?: boolean;
  /** Whether each node has those that the Service keeps its clients with, and endpoints say so. Default: they are everybody's. */
  readonly forNodes?: boolean;
}

/**
 * Gathers where one port of a Service is served. Endpoints that are going away count only while none is ready. Of two
 * address families the first of the Service that has endpoints is used, so that no endpoint counts twice.
 *
 * @param number the number of the Service port
 * @param slices all EndpointSlices of the Service, in any order
 * @see https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
 */
export function ingestEndpoints(
  service: Service,
  number: number,
  slices: readonly EndpointSlice[],
  { withBothFamilies = false, forNodes = false }: EndpointOptions = {},
): EndpointsResult {
  const port = findServicePort(service, { number, name: undefined });
  const portName = typeof port === 'string' ? undefined : (port.name ?? '');
  const diagnostics: Diagnostic[] = [];
  const candidates = slices.flatMap((slice) => readSlice(slice, portName, diagnostics));
  const misnamed = portName === '' && candidates.length === 0 ? slices.find(namesAllPorts) : undefined;
  if (misnamed) {
    const message = 'gives names to all ports, and the port of the Service has none; no endpoint is used';
    diagnostics.push(diagnose(refOf(misnamed), ['ports'], 'PortNameMismatch', message));
  }
  const usable = forNodes ? servingNodes(candidates, service.spec.internalTrafficPolicy === 'Local') : serving(candidates);
  return {
    endpoints: {
      name: endpointSetName(service, number),
      endpoints: distinct(withBothFamilies ? pairFamilies(usable, service) : chooseFamily(usable, service)),
      sources: slices.map((slice) => ({ object: refOf(slice), path: [] })).toSorted((a, b) => compareText(a.object.name, b.object.name)),
    },
    diagnostics: diagnostics.toSorted((a, b) => compareText(a.object?.name ?? '', b.object?.name ?? '')),
  };
}

function namesAllPorts({ endpoints, ports }: EndpointSlice): boolean {
  return endpoints.length > 0 && ports.length > 0 && ports.every(({ name }) => name !== undefined);
}

function readSlice(slice: EndpointSlice, portName: string | undefined, diagnostics: Diagnostic[]): readonly Candidate[] {
  const { addressType: family } = slice;
  if (family === 'FQDN') {
    refuse(['addressType'], 'addresses of type FQDN are not used');
    return [];
  }
  const ports = slice.ports.filter(({ name, protocol }) => protocol === 'TCP' && (name ?? '') === portName);
  const candidates: Candidate[] = [];
  for (const [index, { addresses, conditions, targetRef, nodeName: node, hints }] of slice.endpoints.entries()) {
    const ready = conditions.ready ?? true;
    const draining = !ready && conditions.terminating === true && conditions.serving !== false;
    if (!ready && !draining) continue;
    // The addresses of one endpoint are interchangeable; kube-proxy uses the first, too.
    const [text = ''] = addresses;
    const address = canonicalAddress(text, family);
    if (address === undefined)
      refuse(['endpoints', index, 'addresses', 0], `${quote(text)} is no ${family} address that can be an endpoint`);
    else
      for (const { port } of ports) {
        const { forNodes: nodeHints = [], forZones: zoneHints = [] } = hints ?? {};
        if (port !== undefined) candidates.push({ address, port, family, draining, target: targetRef?.name, node, nodeHints, zoneHints });
      }
  }
  return candidates;

  function refuse(path: FieldPath, message: string): void {
    diagnostics.push(diagnose(refOf(slice), path, 'InvalidEndpoint', message));
  }
}

/** As few of these as the API server takes: not of every machine, one link or a group. Loopback is for local use. */
const UNUSABLE = [/^0\./, /^169\.254\./, /^2(?:2[4-9]|[345]\d)\./, /^::$/, /^fe[89ab]/, /^ff/, /^::ffff:/];

function canonicalAddress(text: string, family: 'IPv4' | 'IPv6'): string | undefined {
  if (family === 'IPv4' ? !isIPv4(text) : !isIPv6(text) || text.includes('%')) return undefined;
  const address = family === 'IPv4' ? text : new SocketAddress({ address: text, family: 'ipv6' }).address;
  return UNUSABLE.some((pattern) => pattern.test(address)) ? undefined : address;
}

function chooseFamily(candidates: readonly Candidate[], service: Service): readonly Candidate[] {
  const families = service.spec.ipFamilies;
  if (families.length === 0) return candidates;
  const family = families.find((wanted) => candidates.some((candidate) => candidate.family === wanted));
  return candidates.filter((candidate) => candidate.family === family);
}

/** Each server once, with both of its addresses; of servers that nobody names those of the first family, as above. */
function pairFamilies(candidates: readonly Candidate[], service: Service): readonly Endpoint[] {
  const [preferred = 'IPv4'] = service.spec.ipFamilies;
  const known = candidates.filter(({ target }) => target !== undefined);
  const servers = [...Map.groupBy(known, ({ target, port }) => `${target} ${port}`).values()].flatMap((all): Endpoint[] => {
    const first = all.find(({ family }) => family === preferred) ?? all[0];
    const other = all.find(({ family }) => family !== first?.family);
    return first ? [{ ...first, ...(other && { otherAddress: other.address }) }] : [];
  });
  const unknown = candidates.filter(({ target }) => target === undefined);
  return [...servers, ...chooseFamily(unknown, service)];
}

function distinct(candidates: readonly Endpoint[]): readonly Endpoint[] {
  const byKey = new Map(
    candidates.map(({ address, otherAddress, port, clients }) => [
      `${address} ${port}`,
      { address, port, ...(otherAddress !== undefined && { otherAddress }), ...(clients && { clients }) },
    ]),
  );
  return Array.from(byKey.values()).toSorted((a, b) => compareText(a.address, b.address) || a.port - b.port);
}
