import { type ForeignChain, Netfilter } from '../netlink/index.ts';
import { changedMarkBits, OUR_MARK_BITS } from './mark-bits.ts';
import { STEERING_DEVICE } from './steering-device.ts';
import { TABLE } from './steering-table.ts';

/** Something of somebody else's by which packets for Envoy would be dropped. */
export interface SteeringObstacle {
  readonly found: string;
  /** What whoever has the machine can do. */
  readonly todo: string;
}

const FIREWALLD = 'firewalld';
/** As bits of what an expression `fib` looks at. @see include/uapi/linux/netfilter/nf_tables.h */
const FIB_SOURCE = 1;
const FIB_INPUT_DEVICE = 8;
const ACCEPT = `iifname ${STEERING_DEVICE} meta mark and 0xf00 == 0x200 accept`;

/**
 * What in tables of others would drop packets that were given to Envoy's sockets, as far as it can be told from the outside: chains that drop
 * whatever no rule accepts, checks of where packets come from, and changes of marks. Rules of iptables-legacy are not seen. Needs CAP_NET_ADMIN.
 * @throws NetlinkError
 */
export function findSteeringObstacles(): readonly SteeringObstacle[] {
  using netfilter = Netfilter.open();
  const chains = netfilter.baseChains().filter(({ table }) => table !== TABLE);
  const tables = Map.groupBy(chains, ({ family, table }) => `${family} ${table}`);
  return [...tables.values()].flatMap((all) => {
    const [first] = all;
    if (first === undefined) return [];
    const rules = netfilter.rulesOf(first);
    return [...droppingInput(all, rules), ...droppingSources(first, rules), ...changingMarks(first, rules)];
  });
}

/** Who names the device has thought of it. */
function droppingInput(chains: readonly ForeignChain[], rules: readonly (readonly string[])[]): readonly SteeringObstacle[] {
  if (rules.some((expressions) => expressions.some((each) => each.includes(hex(STEERING_DEVICE))))) return [];
  const input = chains.filter(({ hook }) => hook === 'input');
  // It ends with a rule that rejects, in chains of its zones.
  if (input.some(({ table }) => table === FIREWALLD)) {
    const todo = `firewall-cmd --permanent --zone=trusted --add-interface=${STEERING_DEVICE}, then firewall-cmd --reload`;
    return [{ found: 'firewalld accepts nothing from a device that is in no zone', todo }];
  }
  return input
    .filter(({ dropsByDefault }) => dropsByDefault)
    .map(({ family, table, name }) => ({
      found: `the chain ${name} of the table ${family} ${table} drops what none of its rules accepts`,
      todo: `nft insert rule ${family} ${table} ${name} ${ACCEPT}`,
    }));
}

function droppingSources({ family, table }: ForeignChain, rules: readonly (readonly string[])[]): readonly SteeringObstacle[] {
  if (!rules.some((expressions) => expressions.some(checksSource))) return [];
  const todo =
    table === FIREWALLD
      ? 'IPv6_rpfilter=loose in /etc/firewalld/firewalld.conf, then firewall-cmd --complete-reload'
      : `have that rule leave out packets of the device ${STEERING_DEVICE}`;
  return [{ found: `a rule of the table ${family} ${table} drops packets that come by another device than their answers would go`, todo }];
}

/** @see https://github.com/fwmark/registry */
function changingMarks({ family, table }: ForeignChain, rules: readonly (readonly string[])[]): readonly SteeringObstacle[] {
  const bits = (rules.reduce((all, expressions) => all | changedMarkBits(expressions), 0) & OUR_MARK_BITS) >>> 0;
  if (bits === 0) return [];
  const found = `rules of the table ${family} ${table} change bits 0x${bits.toString(16)} of packets' marks, which are Sluice's`;
  return [
    { found, todo: 'have whoever made these rules use other bits, of 0xf000: packets may be dropped whose marks are not as they were' },
  ];
}

function checksSource(expression: string): boolean {
  const flags = Number.parseInt(/^fib\(.*\b3=([0-9a-f]{8})/.exec(expression)?.[1] ?? '0', 16);
  const isOfFib = (flags & FIB_SOURCE) !== 0 && (flags & FIB_INPUT_DEVICE) !== 0;
  return isOfFib || (expression.startsWith('match(') && expression.includes(hex('rpfilter')));
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}
