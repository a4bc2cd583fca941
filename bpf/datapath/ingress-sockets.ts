import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { BpfError, type LoadedObject } from 'libbpf-ts';
import { type Direction, type Identity, RESERVED_IDENTITIES } from '../../model/index.ts';
import type { AddressTable } from './address-table.ts';
import { attachToCgroup, type CgroupPrograms } from './cgroup-programs.ts';
import type { Configuration } from './configuration.ts';
import { DatapathError } from './error.ts';
import { attachToNetwork } from './network-program.ts';
import { decodeAddress, encodeAddress } from './prefix.ts';
import type { OpenedConnection } from './verdict-entries.ts';
import type { VerdictTable } from './verdict-table.ts';

/** What judges before what opens: nothing has the address that is not judged as whoever has it. */
export const INGRESS_PROGRAMS: CgroupPrograms = {
  names: ['ingress_ingress', 'ingress_egress', 'ingress_listens', 'ingress_connect4', 'ingress_connect6'],
  folderPrefix: 'ingress_links_',
};

/** As whom Envoy talks to backends of Ingresses on this node. */
export interface IngressClient {
  /** Whose egress policy holds for it; undefined for nobody's. */
  readonly identity?: Identity;
  /** One of each family at most, of a pod that has programs at its device. */
  readonly addresses: readonly string[];
  /** Whether it may go to nobody of the cluster without an address of the family. */
  readonly needsAddress: boolean;
}

/** Where Envoy opened a connection to. */
export interface Backend {
  readonly address: string;
  readonly port: number;
}

/** Where the link of the program is kept that finds listeners. */
export function ingressLookupPin(pinFolder: string): string {
  return join(pinFolder, LOOKUP);
}

/** Who opened a connection, and what it was opened to. */
export interface Client {
  readonly address: string;
  /** That Ingresses have, not the client. */
  readonly port: number;
}

/** @internal */
export interface IngressTables {
  readonly addresses: Pick<AddressTable, 'identityOf'>;
  readonly verdicts: Pick<VerdictTable, 'isPoliced' | 'judge'>;
}

const LOOKUP = 'ingress_lookup';
const NONE = new Uint8Array(16);
/** Routes lead nothing to a slot that goes to the node itself. */
const HOST: Identity = RESERVED_IDENTITIES.host;

/**
 * Gives what Envoy opens for Ingresses the node's ingress address, and judges it, as well as what Envoy opens for pods that asked a Service which a listener
 * took. Sockets are known by their mark, see docs/decisions/layer7.md.
 */
export class IngressSockets {
  readonly #loaded: LoadedObject;
  readonly #configuration: Configuration;
  readonly #pinFolder: string;
  readonly #tables: IngressTables;

  /** @internal */
  constructor(loaded: LoadedObject, configuration: Configuration, pinFolder: string, tables: IngressTables) {
    this.#loaded = loaded;
    this.#configuration = configuration;
    this.#pinFolder = pinFolder;
    this.#tables = tables;
  }

  /** As it was written last. */
  client(): IngressClient {
    const { ingress_identity: identity = 0, ingress_ipv4, ingress_ipv6, needs_ingress_address } = this.#configuration.get() ?? {};
    const addresses = [ingress_ipv4, ingress_ipv6].flatMap((bytes) => (bytes?.some((byte) => byte !== 0) ? [decodeAddress(bytes)] : []));
    return { ...(identity !== 0 && { identity }), addresses, needsAddress: needs_ingress_address === 1 };
  }

  /** For connections that are opened from now on; those that are open keep their address, and are judged anew. @throws DatapathError `invalid-address` */
  setClient({ identity = 0, addresses, needsAddress }: IngressClient): void {
    const ipv6 = addresses.find((address) => isIPv6(address));
    const ipv4 = addresses.find((address) => !isIPv6(address));
    this.#configuration.set({
      ingress_identity: identity,
      ingress_ipv4: ipv4 === undefined ? NONE : encodeAddress(ipv4),
      ingress_ipv6: ipv6 === undefined ? NONE : encodeAddress(ipv6),
      needs_ingress_address: needsAddress ? 1 : 0,
    });
  }

  /** Whether policy says anything of where Ingresses may go, or of who may come to them. */
  isPoliced(direction: Direction): boolean {
    const { identity } = this.client();
    return identity !== undefined && this.#tables.verdicts.isPoliced(identity, direction);
  }

  /**
   * What the programs say of connections to backends that are opened now.
   * @returns for each the port of the slot that it is led to, 0 where that is none, undefined where it is refused
   */
  judge(backends: readonly Backend[]): readonly (number | undefined)[] {
    const { identity } = this.client();
    const connections = backends.map((backend) => this.#connectionOf(backend));
    const slots = identity === undefined ? backends.map(() => 0) : this.#tables.verdicts.judge(identity, 'egress', connections);
    return backends.map(({ address }, index) => {
      const slot = slots[index];
      return isLoopback(address) || (slot && connections[index]?.peer === HOST) ? undefined : slot;
    });
  }

  /**
   * The same of clients, by their addresses and the ports that they ask for.
   * @returns as above, but `own-node` for all that come from there: who they are stands in packets alone
   */
  judgeClients(clients: readonly Client[]): readonly (number | 'own-node' | undefined)[] {
    const { identity } = this.client();
    if (identity === undefined) return clients.map(() => 0);
    const connections = clients.map((client) => this.#connectionOf(client));
    return this.#tables.verdicts
      .judge(identity, 'ingress', connections)
      .map((slot, index) => (connections[index]?.peer === HOST ? 'own-node' : slot));
  }

  #connectionOf({ address, port }: Backend | Client): OpenedConnection {
    return { peer: isLoopback(address) ? HOST : this.#tables.addresses.identityOf(address), port };
  }

  /**
   * Puts the programs to work on all sockets of a cgroup and those below it, and on this process' network, in place of those that are at work. They stay
   * when this process ends.
   * @param cgroup a folder of the cgroup file system of version 2, see `findRootCgroup`
   * @throws DatapathError `refused`
   */
  attach(cgroup: string): void {
    try {
      attachToCgroup(INGRESS_PROGRAMS, this.#loaded, this.#pinFolder, cgroup);
      this.#gatherListeners();
      attachToNetwork(this.#loaded, LOOKUP, ingressLookupPin(this.#pinFolder));
      this.#configuration.set({ judges_sockets: 1 });
    } catch (cause) {
      if (!(cause instanceof BpfError)) throw cause;
      throw new DatapathError('refused', `the programs for Envoy's sockets of Ingresses were not attached to ${cgroup}`, { cause });
    }
  }

  /** Those that listened before there was a program that notes who does. */
  #gatherListeners(): void {
    using link = this.#loaded.program('ingress_gather').attach();
    link.iterate();
  }
}

function isLoopback(address: string): boolean {
  const canonical = decodeAddress(encodeAddress(address));
  return canonical === '::1' || canonical.startsWith('127.');
}
