import { readFileSync } from 'node:fs';
import {
  type BaseChain,
  drop,
  type ForeignChain,
  keepSource,
  markIs,
  type Netfilter,
  type NetfilterTable,
  NetlinkError,
  notrack,
  socketMarkIs,
  tcpPortWithin,
} from '../netlink/index.ts';
import { LED_MARK, LEG_MARKS } from './marks.ts';
import { SteeringNetworkError } from './network-error.ts';
import { type NetworkItem, type NetworkPart, NOTHING } from './network-item.ts';

export interface PortRange {
  readonly first: number;
  /** Included. */
  readonly last: number;
}

/** The name of our table, of family `inet`. */
export const TABLE = 'sluice';
const RAW = -300;
/** Before what filters, so that it shows in no counter of others. */
const BEFORE_FILTERS = -160;
const BEFORE_SOURCE_NAT = 99;

const LEGACY_TABLES = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'];
const { ingressListener: ANSWERS, ingressUpstream: UPSTREAM } = LEG_MARKS;

/**
 * A network plugin that masquerades whatever goes to its pods would take the client's address away, or an answer's. Where nobody translates
 * sources it is left out: it would have the kernel track all connections of the node.
 */
const KEEP_SOURCES: BaseChain = {
  name: 'keep_sources',
  type: 'nat',
  hook: 'postrouting',
  priority: BEFORE_SOURCE_NAT,
  rules: [ANSWERS, UPSTREAM].flatMap((leg) =>
    (['ip', 'ip6'] as const).map((family) => [markIs(LEG_MARKS.mask, '==', leg), keepSource(family)]),
  ),
};

/** What Netfilter does with packets of proxied connections, and with those who would talk to a listener of Envoy's directly. */
export class SteeringTable implements NetworkPart {
  readonly #netfilter: Netfilter;
  readonly #proxyPorts: PortRange;
  /** As it is to be; made anew when something of anybody's has changed. */
  #table: NetfilterTable = { name: TABLE, chains: [] };
  /** With what it was last found as it is to be. */
  #good: string | undefined;

  constructor(netfilter: Netfilter, proxyPorts: PortRange) {
    this.#netfilter = netfilter;
    this.#proxyPorts = proxyPorts;
  }

  items(): readonly NetworkItem[] {
    const differences = this.#differences();
    const isThere = differences.size === 0 || this.#netfilter.hasTable(TABLE);
    const chains: readonly Pick<BaseChain, 'name' | 'rules'>[] = this.#table.chains;
    const ours = chains.map(({ name, rules }): NetworkItem => {
      const wanted = rules.map((statements) => statements.map(({ text }) => text).join(' ')).join('; ');
      const wrong = isThere ? 'something else' : undefined;
      return { kind: 'netfilter', name: nameOf(name), wanted, found: differences.has(name) ? wrong : wanted };
    });
    const known = new Set(chains.map(({ name }) => name));
    const others = [...differences].filter((name) => !known.has(name));
    return [...ours, ...others.map((name): NetworkItem => ({ kind: 'netfilter', name: nameOf(name), wanted: NOTHING, found: 'a chain' }))];
  }

  make(): void {
    if (this.#differences().size === 0) return;
    try {
      this.#netfilter.replaceTable(this.#table);
    } catch (cause) {
      if (!(cause instanceof NetlinkError) || (cause.errnoName !== 'ENOENT' && cause.errnoName !== 'EOPNOTSUPP')) throw cause;
      const needs = 'nf_tables with chains of type nat for inet, nft_socket and notrack (CONFIG_NFT_SOCKET, CONFIG_NFT_NAT, CONFIG_NFT_CT)';
      throw new SteeringNetworkError('unsupported', `the kernel takes no rules of ours, for which it needs ${needs}`, { cause });
    }
  }

  remove(): readonly string[] {
    if (!this.#netfilter.hasTable(TABLE)) return [];
    this.#netfilter.deleteTable(TABLE);
    return [`removed the table inet ${TABLE} of Netfilter`];
  }

  #differences(): ReadonlySet<string> {
    const isLegacyNat = LEGACY_TABLES.some(hasLegacyNat);
    const seen = `${this.#netfilter.generation()} ${isLegacyNat}`;
    if (seen === this.#good) return new Set();
    const translatesSources = isLegacyNat || this.#netfilter.baseChains().some(isForeignNat);
    this.#table = { name: TABLE, chains: [...chainsOf(this.#proxyPorts), ...(translatesSources ? [KEEP_SOURCES] : [])] };
    const differences = this.#netfilter.differences(this.#table);
    // What changed meanwhile is looked at next time.
    this.#good = differences.size === 0 ? seen : undefined;
    return differences;
  }
}

function isForeignNat({ table, type, hook }: ForeignChain): boolean {
  return table !== TABLE && type === 'nat' && hook === 'postrouting';
}

/** Whether iptables-legacy translates addresses, as far as this process may know. */
function hasLegacyNat(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').split('\n').includes('nat');
  } catch {
    return false;
  }
}

function chainsOf({ first, last }: PortRange): readonly BaseChain[] {
  const { mask, toEnvoy, egressListener, ingressListener } = LEG_MARKS;
  return [
    {
      name: 'raw_prerouting',
      type: 'filter',
      hook: 'prerouting',
      priority: RAW,
      rules: [[markIs(mask, '==', toEnvoy), notrack()]],
    },
    // Of an egress listener, and what Envoy sends it itself: answers of others undo the translation of what they answer, which tracking remembers.
    {
      name: 'raw_output',
      type: 'filter',
      hook: 'output',
      priority: RAW,
      rules: [
        // It was given to a socket here and is not to leave again, as where IPVS has the address that it is for, and takes it from us.
        [markIs(mask, '==', toEnvoy), drop()],
        [markIs(mask, '==', egressListener), notrack()],
        [markIs(LED_MARK.mask, '==', LED_MARK.mark), notrack()],
      ],
    },
    // Listeners have all of the node's addresses; only what the kernel's programs gave them is theirs. Others on such ports are left alone.
    {
      name: 'guard_listeners',
      type: 'filter',
      hook: 'input',
      priority: BEFORE_FILTERS,
      rules: [egressListener, ingressListener].map((listener) => [
        tcpPortWithin(first, last),
        markIs(mask, '!=', toEnvoy),
        socketMarkIs(mask, listener),
        drop(),
      ]),
    },
  ];
}

function nameOf(chain: string): string {
  return `inet ${TABLE} ${chain}`;
}
