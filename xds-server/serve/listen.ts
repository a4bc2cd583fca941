import { chmod, lstat, rename, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { XdsError } from './error.ts';
import type { Identify, PeerIdentities } from './peer.ts';

export type ListenAddress =
  | {
      readonly host: string;
      readonly port: number;
      readonly credentials?: ServerCredentials;
      /** Tells who a client is; without it, clients are who they say they are. */
      readonly identify?: Identify;
    }
  /** A Unix socket, which only the user that runs the server may open, and with `group` those of its group. */
  | { readonly path: string; readonly group?: boolean };

export interface BoundAddress {
  /** The port that was bound, for a port of 0; undefined for a Unix socket. */
  readonly port: number | undefined;
  release(): Promise<void>;
}

const OWNER_ONLY = 0o600;
const OWNER_AND_GROUP = 0o660;

/** @throws XdsError `address-in-use` or `listen-failed` */
export async function listenOn(server: Server, address: ListenAddress, peers: PeerIdentities): Promise<BoundAddress> {
  if ('path' in address) return listenOnSocket(server, resolve(address.path), address.group ? OWNER_AND_GROUP : OWNER_ONLY);
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const { credentials = ServerCredentials.createInsecure(), identify } = address;
  const port = await bind(server, `${host}:${address.port}`, identify ? peers.identifying(credentials, identify) : credentials);
  return { port, release: async () => {} };
}

/**
 * A socket file that nobody listens on is replaced. The socket gets its name only once its mode is set, so there is no
 * moment at which others could connect.
 */
async function listenOnSocket(server: Server, path: string, mode: number): Promise<BoundAddress> {
  if (await isListening(path)) throw new XdsError('address-in-use', `another process listens on ${path}`);
  const unnamed = `${path}.${process.pid}`;
  await removeSocket(unnamed);
  await bind(server, `unix:${unnamed}`, ServerCredentials.createInsecure());
  try {
    await chmod(unnamed, mode);
    await removeSocket(path);
    await rename(unnamed, path);
  } catch (cause) {
    server.unbind(`unix:${unnamed}`);
    throw new XdsError('listen-failed', `cannot listen on ${path}: ${messageOf(cause)}`, { cause });
  }
  return { port: undefined, release: () => removeSocket(path) };
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((done, fail) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (!error) return done(port);
      const code = error.message.includes('EADDRINUSE') ? 'address-in-use' : 'listen-failed';
      fail(new XdsError(code, `cannot listen on ${address}: ${error.message}`, { cause: error }));
    });
  });
}

function isListening(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

/** Never removes what is not a socket. */
async function removeSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found && !found.isSocket()) throw new XdsError('listen-failed', `${path} is there and not a socket`);
  if (found) await unlink(path);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
