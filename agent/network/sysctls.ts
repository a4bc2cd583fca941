import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SteeringNetworkError } from './network-error.ts';

/** Where a container of a node has the node's own, which it may write to. */
const MOUNTED = '/host/proc/sys/net';
const OWN = '/proc/sys/net';

/** What whoever runs a container can do where it cannot change settings. */
export const HOW_TO_MOUNT = `give this container the node's ${OWN} at ${MOUNTED}, as manifests/policy.yaml does`;

/** The kernel's settings of the network namespace that this process is in, by paths below `net`. */
export class Sysctls {
  readonly #folder: string;

  /** @param folder default: that which can be written to, of `/proc/sys/net` and `/host/proc/sys/net` */
  constructor(folder: string = findFolder()) {
    this.#folder = folder;
  }

  /** With its fields separated by one space; undefined where the kernel has none of that name. */
  read(path: string): string | undefined {
    try {
      return normalise(readFileSync(join(this.#folder, path), 'utf8'));
    } catch {
      return undefined;
    }
  }

  /** @throws SteeringNetworkError `read-only`, `not-permitted`, `refused` */
  write(path: string, value: string): void {
    try {
      // The kernel takes no notice of nothing at all.
      writeFileSync(join(this.#folder, path), `${value}\n`);
    } catch (cause) {
      throw errorOf(`${nameOf(path)} cannot be set to ${value}`, this.#folder, cause);
    }
  }

  /** Whether this machine speaks IPv6. */
  hasIpv6(): boolean {
    return this.read('ipv6/conf/lo/disable_ipv6') === '0';
  }

  /** Whether its kernel could. */
  knowsIpv6(): boolean {
    return this.read('ipv6/conf/lo/disable_ipv6') !== undefined;
  }
}

/** As `sysctl` names it: `net.ipv4.tcp_early_demux`. */
export function nameOf(path: string): string {
  return `net.${path.replaceAll('/', '.')}`;
}

/** Why the settings of this network cannot be changed by this process; undefined where they can. */
export function whyNoSysctls(): string | undefined {
  const folder = findFolder();
  return isWritable(folder) ? undefined : `${folder} cannot be written to`;
}

function findFolder(): string {
  return existsSync(MOUNTED) && !isWritable(OWN) ? MOUNTED : OWN;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(join(folder, 'ipv4/tcp_early_demux'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function errorOf(what: string, folder: string, cause: unknown): SteeringNetworkError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'EROFS') {
    return new SteeringNetworkError('read-only', `${what}: ${folder} is mounted for reading; ${HOW_TO_MOUNT}`, { cause });
  }
  if (code === 'EACCES' || code === 'EPERM')
    return new SteeringNetworkError('not-permitted', `${what}: it needs root and CAP_NET_ADMIN`, { cause });
  return new SteeringNetworkError('refused', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

function normalise(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ');
}
