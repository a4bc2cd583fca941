import { RouteNetlink } from '../../agent/netlink/index.ts';
import {
  type Connection,
  DatapathError,
  type ListedService,
  listServices,
  PinnedDatapath,
  readServiceCounts,
  type ServiceCounts,
  type WrittenPolicy,
} from '../../bpf/datapath/index.ts';
import type { AddressEntry, Direction, Identity } from '../../model/index.ts';
import { AddressTable } from '../../policy/index.ts';
import { formatIdentity, formatPeer } from '../text/identity.ts';
import { formatEndpoint, formatPortPrefix, formatProtocol } from '../text/protocol.ts';

/** What the kernel has, for people and for machines. */
export interface KernelTable {
  readonly heads: readonly string[];
  /** As they come: there may be many. */
  readonly rows: Iterable<readonly string[]>;
  /** The same as JSON; numbers instead of names. */
  readonly json: unknown;
}

const NS_PER_S = 1_000_000_000n;

/** Whose each address is. @param address only the prefix that decides about this one */
export function readIpcache(pinFolder: string, address?: string): KernelTable {
  const entries = select(new PinnedDatapath(pinFolder).addresses(), address);
  const sorted = entries.toSorted((a, b) => a.identity - b.identity || (a.prefix < b.prefix ? -1 : 1));
  return { heads: ['PREFIX', 'IDENTITY'], rows: sorted.map(({ prefix, identity }) => [prefix, formatIdentity(identity)]), json: sorted };
}

function select(entries: readonly AddressEntry[], address: string | undefined): readonly AddressEntry[] {
  if (address === undefined) return entries;
  // By their places in the list, to know which of them is found.
  const table = new AddressTable();
  for (const [index, { prefix }] of entries.entries()) table.put({ prefix, identity: index });
  const found = entries[table.find(address) ?? entries.length];
  return found ? [found] : [];
}

/** What each identity of pods on this node may do. @param subject only this one */
export function readPolicies(pinFolder: string, subject?: Identity): KernelTable {
  const policies = new PinnedDatapath(pinFolder).policies().filter((policy) => subject === undefined || policy.subject === subject);
  const json = policies.map(({ verdicts, ...rest }) => ({
    ...rest,
    verdicts: verdicts.map((verdict) => ({ ...verdict, decided: Number(verdict.decided) })),
  }));
  const heads = ['SUBJECT', 'DIRECTION', 'PEER', 'PROTOCOL', 'PORT', 'DECISION', 'DECIDED'];
  return { heads, rows: policies.flatMap(policyRows), json };
}

function policyRows({ subject, defaultDeny, verdicts }: WrittenPolicy): string[][] {
  return (['ingress', 'egress'] as const satisfies readonly Direction[]).flatMap((direction) => [
    ...verdicts
      .filter((verdict) => verdict.direction === direction)
      .map(({ peer, protocol, port, portPrefixLength, decision, decided }) => [
        ...[formatIdentity(subject), direction, formatPeer(peer), formatProtocol(protocol)],
        ...[formatPortPrefix(port, portPrefixLength), decision, String(decided)],
      ]),
    [formatIdentity(subject), direction, 'others', 'any', 'any', defaultDeny[direction] ? 'deny' : 'allow', ''],
  ]);
}

/** Connections that are remembered. @param address only those of which this is an end */
export function readConntrack(pinFolder: string, address?: string): KernelTable {
  const devices = deviceNames();
  const now = process.hrtime.bigint();
  const isWanted = ({ localAddress, remoteAddress }: Connection) =>
    address === undefined || [localAddress, remoteAddress].includes(address);
  const found = new PinnedDatapath(pinFolder)
    .connections()
    .filter(isWanted)
    .map((connection) => ({
      device: devices.get(connection.ifindex) ?? '',
      ageS: Number((now - connection.lastSeen) / NS_PER_S),
      connection,
    }))
    .toArray();
  return {
    heads: ['DEVICE', 'OPENED', 'PROTOCOL', 'LOCAL', 'REMOTE', 'PEER', 'OUTCOME', 'STATE', 'PACKETS', 'BYTES', 'IDLE'],
    rows: found.map(({ device, ageS, connection }) => [
      ...[device || String(connection.ifindex), connection.opened, formatProtocol(connection.protocol)],
      ...[formatEndpoint(connection.localAddress, connection.localPort), formatEndpoint(connection.remoteAddress, connection.remotePort)],
      ...[formatIdentity(connection.peer), connection.outcome, stateOf(connection)],
      ...[String(connection.packets), String(connection.bytes), `${ageS}s`],
    ]),
    json: found.map(({ device, ageS, connection: { lastSeen, packets, bytes, ...rest } }) => {
      return { device, ...rest, packets: Number(packets), bytes: Number(bytes), idleSeconds: ageS };
    }),
  };
}

function stateOf({ isClosing, isAnswered }: Connection): string {
  if (isClosing) return 'closing';
  return isAnswered ? 'open' : 'opening';
}

function deviceNames(): ReadonlyMap<number, string> {
  using netlink = RouteNetlink.open();
  return new Map(netlink.links().map(({ index, name }) => [index, name]));
}

/** Services as sockets get them translated. @param name only those whose name begins with this */
export async function readServices(pinFolder: string, name = ''): Promise<KernelTable> {
  const services = (await listIfThere(pinFolder)).filter((service) => service.name.startsWith(name));
  return {
    heads: ['SERVICE', 'FRONTEND', 'BACKENDS', 'AFFINITY'],
    rows: services.flatMap(({ name: service, frontends, backends, affinitySeconds }) => {
      const told = backends.map(({ address, port, isDraining }) => `${formatEndpoint(address, port)}${isDraining ? ' (draining)' : ''}`);
      const affinity = affinitySeconds > 0 ? `${affinitySeconds}s` : 'none';
      return frontends.map(({ address, port, protocol }) => {
        return [service, `${protocol} ${formatEndpoint(address, port)}`, told.join(', ') || 'none', affinity];
      });
    }),
    json: services,
  };
}

/** What became of packets and of connections to Services, since the tables were made. */
export function readMetrics(pinFolder: string): KernelTable {
  const packets = new PinnedDatapath(pinFolder).counters().map((counter) => {
    return { ...counter, packets: Number(counter.packets), bytes: Number(counter.bytes) };
  });
  const services = serviceCounts(pinFolder);
  return {
    heads: ['DIRECTION', 'OUTCOME', 'COUNT', 'BYTES'],
    rows: [
      ...packets.map(({ direction, outcome, packets, bytes }) => [direction, outcome, String(packets), String(bytes)]),
      ...Object.entries(services ?? {}).map(([outcome, count]) => ['service', outcome, String(count), '']),
    ],
    json: { packets, services },
  };
}

async function listIfThere(pinFolder: string): Promise<readonly ListedService[]> {
  try {
    return await listServices(pinFolder);
  } catch (cause) {
    if (!isNotThere(cause)) throw cause;
    throw new DatapathError('nothing-pinned', `nothing translates Services here: there are no tables in ${pinFolder}`, { cause });
  }
}

/** Undefined where Services are not translated. */
function serviceCounts(pinFolder: string): ServiceCounts | undefined {
  try {
    return readServiceCounts(pinFolder);
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

function isNotThere(error: unknown): boolean {
  return error instanceof Error && 'errnoName' in error && error.errnoName === 'ENOENT';
}
