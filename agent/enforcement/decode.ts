import { isIP } from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import {
  AddressSchema,
  type ServiceClients as ClientsMessage,
  type DirectionPolicy as DirectionMessage,
  type Endpoint as EndpointMessage,
  IdentitySchema,
  NodeEndpointsSchema,
  RedirectSchema,
  type Source,
  SubjectPolicySchema,
  Verdict_Decision,
  type Verdict as VerdictMessage,
} from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { encodePrefix, type Redirect } from '../../bpf/datapath/index.ts';
import type {
  AddressEntry,
  Decision,
  DirectionPolicy,
  FieldPath,
  FieldRef,
  IdentityEntry,
  PodEndpoint,
  SubjectPolicy,
  Verdict,
} from '../../model/index.ts';
import { PROXY_PORTS } from '../slots/proxy-ports.ts';
import { EnforcementError } from './enforcement-error.ts';

/** What a node enforces policy for. */
export interface OwnEndpoints {
  readonly node: string;
  readonly endpoints: readonly PodEndpoint[];
  readonly nodeAddresses: readonly string[];
  /** Absent: Services are left to others. */
  readonly serviceClients?: ServiceClients;
  /** Prefixes in which whoever comes is a pod, and may be isolated before it is known which. */
  readonly guardedNetworks: readonly string[];
  /** Whether what Envoy opens for Ingresses goes nowhere in the cluster without an ingress address. */
  readonly needsIngressAddress: boolean;
}

/** Clients of Services on a node. */
export interface ServiceClients {
  readonly zone?: string;
  /** Prefixes that pods of the node have their addresses of; none where that is not known. */
  readonly podNetworks: readonly string[];
  /** Slots of listeners that the node does not have, though Services name them. */
  readonly slotsElsewhere: readonly string[];
}

/** As the kernel's tables have it. */
const MAX_IDENTITY = 0xffff_ffff;

/** @throws EnforcementError `malformed` */
export function decodeAddress(name: string, body: Uint8Array): AddressEntry {
  return decoded(name, () => {
    // What one table of the kernel would not take must not keep all others of the same change out.
    encodePrefix(name);
    return { prefix: name, identity: fromBinary(AddressSchema, body).identity };
  });
}

/** @throws EnforcementError `malformed` */
export function decodeIdentity(name: string, body: Uint8Array): IdentityEntry {
  return decoded(name, () => ({ identity: identityOf(name), labels: fromBinary(IdentitySchema, body).labels }));
}

/** @throws EnforcementError `malformed` */
export function decodeNodeEndpoints(node: string, body: Uint8Array): OwnEndpoints {
  return decoded(node, () => {
    const { endpoints, nodeAddresses, serviceClients, guardedNetworks, needsIngressAddress } = fromBinary(NodeEndpointsSchema, body);
    nodeAddresses.forEach(assertAddress);
    guardedNetworks.forEach(assertPrefix);
    return {
      node,
      endpoints: endpoints.map((endpoint) => endpointOf(node, endpoint)),
      nodeAddresses,
      guardedNetworks,
      needsIngressAddress,
      ...(serviceClients && { serviceClients: clientsOf(serviceClients) }),
    };
  });
}

/** A decision that this version does not know denies. @throws EnforcementError `malformed` */
export function decodeSubjectPolicy(name: string, body: Uint8Array): SubjectPolicy {
  return decoded(name, () => {
    const { ingress, egress, sources, audits } = fromBinary(SubjectPolicySchema, body);
    const refs = new Sources(sources.map(sourceOf));
    const directions = { ingress: directionOf(ingress, refs), egress: directionOf(egress, refs) };
    return { subject: identityOf(name), ...directions, ...(audits && { audits }) };
  });
}

/** @throws EnforcementError `malformed` */
export function decodeRedirect(slot: string, body: Uint8Array): Redirect {
  return decoded(slot, () => {
    const { port, ready } = fromBinary(RedirectSchema, body);
    if (port < PROXY_PORTS.first || port > PROXY_PORTS.last) throw new RangeError(`${port} is no proxy port`);
    return { slot, port, ready };
  });
}

/** @throws EnforcementError `malformed`, with the name, for whatever else is thrown */
export function decoded<T>(name: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new EnforcementError('malformed', `${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function identityOf(name: string): number {
  const identity = /^\d{1,10}$/.test(name) ? Number(name) : MAX_IDENTITY + 1;
  if (identity > MAX_IDENTITY) throw new RangeError('the name is no identity');
  return identity;
}

function assertAddress(address: string): void {
  if (isIP(address) === 0 || address.includes('%')) throw new RangeError(`${JSON.stringify(address)} is no address`);
}

function assertPrefix(prefix: string): void {
  const [address = '', length = ''] = prefix.split('/');
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(length) || Number(length) > (family === 4 ? 32 : 128))
    throw new RangeError(`${JSON.stringify(prefix)} is no prefix`);
}

function endpointOf(node: string, { namespace, name, uid, addresses, identity }: EndpointMessage): PodEndpoint {
  addresses.forEach(assertAddress);
  return { pod: { kind: 'Pod', namespace, name }, uid, node, addresses, identity };
}

function clientsOf({ zone, podNetworks, slotsElsewhere }: ClientsMessage): ServiceClients {
  return { ...(zone !== '' && { zone }), podNetworks, slotsElsewhere };
}

/** A direction that is missing denies everything. */
function directionOf(message: DirectionMessage | undefined, sources: Sources): DirectionPolicy {
  if (!message) return { defaultDeny: true, verdicts: [] };
  return { defaultDeny: message.defaultDeny, verdicts: message.verdicts.map((verdict) => verdictOf(verdict, sources)) };
}

function verdictOf(message: VerdictMessage, sources: Sources): Verdict {
  const { peer, protocol, port, portPrefixLength } = message;
  if (protocol > 255 || port > 65_535 || portPrefixLength > 16) throw new RangeError('a verdict is out of range');
  return {
    peer,
    protocol,
    port,
    portPrefixLength,
    decision: decisionOf(message),
    sources: sources.at(message.sources),
  };
}

/** A node has hundreds of thousands of verdicts, and few lists of rules that decide them. */
class Sources {
  readonly #all: readonly FieldRef[];
  readonly #lists = new Map<string, readonly FieldRef[]>();

  constructor(all: readonly FieldRef[]) {
    this.#all = all;
  }

  at(indices: readonly number[]): readonly FieldRef[] {
    const key = indices.join();
    const known = this.#lists.get(key);
    if (known) return known;
    const list = indices.flatMap((index) => this.#all[index] ?? []);
    this.#lists.set(key, list);
    return list;
  }
}

const ALLOW: Decision = { kind: 'allow' };
const DENY: Decision = { kind: 'deny' };

function decisionOf({ decision, slot }: VerdictMessage): Decision {
  switch (decision) {
    case Verdict_Decision.ALLOW:
      return ALLOW;
    case Verdict_Decision.SLOT:
      return { kind: 'slot', slot };
    default:
      return DENY;
  }
}

function sourceOf({ kind, namespace, name, path }: Source): FieldRef {
  return { object: { kind, namespace, name }, path: pathOf(path) };
}

/** Where a rule stands is for people; a path that cannot be read is left out. */
function pathOf(text: string): FieldPath {
  try {
    const path: unknown = JSON.parse(text);
    return Array.isArray(path) ? path.filter((step) => typeof step === 'string' || typeof step === 'number') : [];
  } catch {
    return [];
  }
}
