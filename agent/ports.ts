import { createServer, isIPv6 } from 'node:net';
import { basename } from 'node:path';
import { findSocketOwners, type ListeningSocket, readListeningSockets } from './listening-sockets.ts';
import { commandLine } from './process-identity.ts';

/** Where something is to listen: an IP address without brackets, `0.0.0.0` for all of IPv4, `::` for all of both. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** Who listens on a port. */
export type PortHolder =
  | { readonly kind: 'process'; readonly pid: number; readonly name: string; readonly commandLine: readonly string[] }
  /** A process that this user may not look into, or that is in another container. */
  | { readonly kind: 'hidden'; readonly uid: number };

export type PortProblemCode =
  /** Another process listens there. */
  | 'in-use'
  /** This user may not listen on ports this low. */
  | 'not-permitted'
  /** The machine has no such address. */
  | 'no-such-address'
  | 'other';

/** Why nothing can listen at an address: a finding, since a user can put it right. */
export interface PortProblem extends ListenAddress {
  readonly code: PortProblemCode;
  /** One sentence without a final full stop: `127.0.0.1:8080 is in use by nginx (pid 123)`. */
  readonly message: string;
  readonly holder?: PortHolder;
}

/** Who listens where nobody else can then listen at this address; undefined if nobody, or nobody in this network namespace. */
export function findPortHolder(wanted: ListenAddress): PortHolder | undefined {
  return findHolders(wanted)[0];
}

/**
 * Whether each of these can be listened on. It has to be asked beforehand because Envoys share ports: two would serve every
 * other connection each, without a word.
 * @param ours processes that may hold them, such as the Envoy that is to be adopted
 * @returns one problem for each address at which nothing can listen, in the order given
 */
export async function checkPortsFree(wanted: readonly ListenAddress[], ours: readonly number[] = []): Promise<readonly PortProblem[]> {
  const problems: PortProblem[] = [];
  for (const address of wanted) {
    const code = await tryToListen(address);
    if (code !== undefined) problems.push(...describeProblem(address, code, ours));
  }
  return problems;
}

/** Only the kernel knows all rules of what excludes what; it says so by one of its error codes. */
async function tryToListen({ address, port }: ListenAddress): Promise<string | undefined> {
  const server = createServer((socket) => socket.destroy());
  return await new Promise((resolve) => {
    server.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function describeProblem(wanted: ListenAddress, code: string, ours: readonly number[]): readonly PortProblem[] {
  const place = formatAddress(wanted);
  switch (code) {
    case 'EADDRINUSE':
      return describeHolder(wanted, ours);
    case 'EACCES':
    case 'EPERM':
      return [{ ...wanted, code: 'not-permitted', message: `this user may not listen on ${place}: choose a port from 1024 on` }];
    case 'EADDRNOTAVAIL':
      return [{ ...wanted, code: 'no-such-address', message: `cannot listen on ${place}: this machine has no such address` }];
    default:
      return [{ ...wanted, code: 'other', message: `cannot listen on ${place}: ${code}` }];
  }
}

function describeHolder(wanted: ListenAddress, ours: readonly number[]): readonly PortProblem[] {
  const holders = findHolders(wanted);
  const holder = holders.find((candidate) => candidate.kind === 'hidden' || !ours.includes(candidate.pid));
  if (holder === undefined && holders.length > 0) return [];
  const message = `${formatAddress(wanted)} is in use${holder === undefined ? '' : ` by ${describe(holder)}`}`;
  return [{ ...wanted, code: 'in-use', message, ...(holder && { holder }) }];
}

function describe(holder: PortHolder): string {
  return holder.kind === 'process' ? `${holder.name} (pid ${holder.pid})` : `another user's process (uid ${holder.uid})`;
}

function findHolders(wanted: ListenAddress): readonly PortHolder[] {
  const sockets = readListeningSockets().filter((socket) => excludes(socket, wanted));
  return sockets.flatMap(({ inode, uid }): readonly PortHolder[] => {
    const pids = findSocketOwners(inode);
    return pids.length === 0 ? [{ kind: 'hidden', uid }] : pids.map(describeProcess);
  });
}

function describeProcess(pid: number): PortHolder {
  const line = commandLine(pid);
  return { kind: 'process', pid, name: basename(line[0] ?? 'unknown'), commandLine: line };
}

/**
 * Whether a socket keeps others from listening at an address: the same address, or either is all addresses. All of IPv6 is
 * taken to mean all of IPv4 as well, as it does unless a program asks for the contrary.
 */
function excludes(socket: ListeningSocket, wanted: ListenAddress): boolean {
  if (socket.port !== wanted.port) return false;
  if (socket.address === wanted.address || socket.address === '::' || wanted.address === '::') return true;
  const wildcard = socket.address === '0.0.0.0' || wanted.address === '0.0.0.0';
  return wildcard && isIPv6(socket.address) === isIPv6(wanted.address);
}

function formatAddress({ address, port }: ListenAddress): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
