import type { Family, Node } from '../lab/netns/index.ts';

// What a node is told of packets that are too large for a path.

const TABLE = `table inet told {}
delete table inet told
table inet told {
  chain prerouting {
    type filter hook prerouting priority raw
    icmp type destination-unreachable icmp code frag-needed counter
    icmpv6 type packet-too-big counter
  }
}`;
const COUNTERS: Readonly<Record<Family, RegExp>> = {
  ipv4: /frag-needed counter packets (\d+)/,
  ipv6: /packet-too-big counter packets (\d+)/,
};

/** Begins to count them, at none. */
export async function countPathMessages(...nodes: readonly Node[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.run(['nft', '-f', '-'], TABLE)));
}

/** How many there were, since they are counted. */
export async function pathMessages(node: Node, family: Family): Promise<number> {
  const [, count] = COUNTERS[family].exec(await node.run(['nft', 'list', 'table', 'inet', 'told'])) ?? [];
  if (count === undefined) throw new Error(`${node.name} does not count what it is told`);
  return Number(count);
}
