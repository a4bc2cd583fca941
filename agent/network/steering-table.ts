import {
  type BaseChain,
  drop,
  keepSource,
  markIs,
  type Netfilter,
  type NetfilterTable,
  NetlinkError,
  notrack,
  socketMarkIs,
  tcpPortWithin,
} from '../netlink/index.ts';
import { LEG_MARKS } from './marks.ts';
import { SteeringNetworkError } from './network-error.ts';
import type { NetworkItem, NetworkPart } from './network-item.ts';

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

/** What Netfilter does with packets of proxied connections, and with those who would talk to a listener of Envoy's directly. */
export class SteeringTable implements NetworkPart {
  readonly #netfilter: Netfilter;
  readonly #table: NetfilterTable;
  /** When it was last found as it is to be. */
  #goodGeneration: number | undefined;

  constructor(netfilter: Netfilter, proxyPorts: PortRange) {
    this.#netfilter = netfilter;
    this.#table = { name: TABLE, chains: chainsOf(proxyPorts) };
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
    return [
      ...ours,
      ...others.map((name): NetworkItem => ({ kind: 'netfilter', name: nameOf(name), wanted: 'nothing', found: 'a chain' })),
    ];
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
    const generation = this.#netfilter.generation();
    if (generation === this.#goodGeneration) return new Set();
    const differences = this.#netfilter.differences(this.#table);
    // What changed meanwhile is looked at next time.
    this.#goodGeneration = differences.size === 0 ? generation : undefined;
    return differences;
  }
}

function chainsOf({ first, last }: PortRange): readonly BaseChain[] {
  const { mask, toEnvoy, egressListener, ingressListener, ingressUpstream } = LEG_MARKS;
  const isTracked = [ingressListener, ingressUpstream];
  return [
    {
      name: 'raw_prerouting',
      type: 'filter',
      hook: 'prerouting',
      priority: RAW,
      rules: [[markIs(mask, '==', toEnvoy), notrack()]],
    },
    // Of an egress listener only: answers of others undo the translation of what they answer, which tracking remembers.
    {
      name: 'raw_output',
      type: 'filter',
      hook: 'output',
      priority: RAW,
      rules: [[markIs(mask, '==', egressListener), notrack()]],
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
    // A network plugin that masquerades whatever goes to its pods would take the client's address away, or an answer's.
    {
      name: 'keep_sources',
      type: 'nat',
      hook: 'postrouting',
      priority: BEFORE_SOURCE_NAT,
      rules: isTracked.flatMap((leg) => (['ip', 'ip6'] as const).map((family) => [markIs(mask, '==', leg), keepSource(family)])),
    },
  ];
}

function nameOf(chain: string): string {
  return `inet ${TABLE} ${chain}`;
}
