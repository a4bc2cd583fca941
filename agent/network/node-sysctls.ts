import type { NetworkItem, NetworkPart } from './network-item.ts';
import type { Remembered } from './remembered.ts';
import type { PortRange } from './steering-table.ts';
import { nameOf, type Sysctls } from './sysctls.ts';

const EARLY_DEMUX = 'ipv4/tcp_early_demux';
const TIME_WAIT_REUSE = 'ipv4/tcp_tw_reuse';
const PORT_RANGE = 'ipv4/ip_local_port_range';
const RESERVED_PORTS = 'ipv4/ip_local_reserved_ports';
/** Envoy's own connections have the highest ports, which it may only ask for where everybody could have them. */
const LAST_PORT = '65535';

interface SysctlWish {
  readonly path: string;
  readonly wanted: string;
  readonly found: string | undefined;
  /** What of a value matters. */
  readonly show: (value: string) => string;
}

/** Settings of the whole namespace. When all is removed, they are as somebody else made them last. */
export class NodeSysctls implements NetworkPart {
  readonly #sysctls: Sysctls;
  readonly #remembered: Remembered;
  readonly #proxyPorts: PortRange;

  constructor(sysctls: Sysctls, remembered: Remembered, proxyPorts: PortRange) {
    this.#sysctls = sysctls;
    this.#remembered = remembered;
    this.#proxyPorts = proxyPorts;
  }

  items(): readonly NetworkItem[] {
    return this.#wishes().map(({ path, wanted, found, show }) => ({
      kind: 'sysctl',
      name: nameOf(path),
      wanted: show(wanted),
      found: found === undefined ? undefined : show(found),
    }));
  }

  make(): void {
    const wrong = this.#wishes().filter((wish) => wish.found !== wish.wanted);
    this.#remembered.remember(
      new Map(wrong.flatMap(({ path, wanted, found }) => (found === undefined ? [] : [[path, { found, wanted }] as const]))),
    );
    for (const { path, wanted } of wrong) this.#sysctls.write(path, wanted);
  }

  remove(): readonly string[] {
    return [...this.#remembered.sysctls].flatMap(([path, { before, made }]) => {
      if (before === made || this.#sysctls.read(path) !== made) return [];
      this.#sysctls.write(path, before);
      return [`${nameOf(path)} is ${before || 'empty'} again`];
    });
  }

  #wishes(): readonly SysctlWish[] {
    const range = this.#sysctls.read(PORT_RANGE);
    const [first = '32768'] = range?.split(' ') ?? [];
    return [
      // Envoy's socket would be found before the programs at a pod's door look, for packets that are another's.
      { path: EARLY_DEMUX, wanted: '0', found: this.#sysctls.read(EARLY_DEMUX), show: (value) => value },
      // Of one client to one server Envoy has some 1500 ports, each of which would rest for a minute after a connection.
      { path: TIME_WAIT_REUSE, wanted: '1', found: this.#sysctls.read(TIME_WAIT_REUSE), show: (value) => value },
      { path: PORT_RANGE, wanted: `${first} ${LAST_PORT}`, found: range, show: upTo },
      ...(Number(first) <= this.#proxyPorts.last ? [this.#reservation()] : []),
    ];
  }

  /** A connection of the node's own could have a port that Envoy is to listen on. */
  #reservation(): SysctlWish {
    const found = this.#sysctls.read(RESERVED_PORTS);
    const wanted = addPorts(found ?? '', this.#proxyPorts);
    const { first, last } = this.#proxyPorts;
    return { path: RESERVED_PORTS, wanted, found, show: (value) => `${value === wanted ? 'with' : 'without'} ${first}-${last}` };
  }
}

function upTo(range: string): string {
  return `up to ${range.split(' ')[1]}`;
}

/** Adds to a list such as `80,8080-8090` what it lacks, in the form in which the kernel has such lists. */
function addPorts(list: string, added: PortRange): string {
  const ranges = list.split(',').flatMap((text): readonly PortRange[] => {
    const [first, last = first] = text.split('-').map(Number);
    return text === '' || first === undefined || last === undefined ? [] : [{ first, last }];
  });
  const joined: PortRange[] = [];
  for (const range of [...ranges, added].sort((a, b) => a.first - b.first)) {
    const before = joined.at(-1);
    if (before === undefined || range.first > before.last + 1) joined.push(range);
    else joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return joined.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** Settings of one device, which go with it. */
export class DeviceSysctls implements NetworkPart {
  readonly #sysctls: Sysctls;
  readonly #wishes: () => Readonly<Record<string, string>>;

  /** @param wishes what is to be, by path, in the order in which it is written */
  constructor(sysctls: Sysctls, wishes: () => Readonly<Record<string, string>>) {
    this.#sysctls = sysctls;
    this.#wishes = wishes;
  }

  items(): readonly NetworkItem[] {
    return Object.entries(this.#wishes()).map(([path, wanted]) => ({
      kind: 'sysctl',
      name: nameOf(path),
      wanted,
      found: this.#sysctls.read(path),
    }));
  }

  make(): void {
    for (const [path, wanted] of Object.entries(this.#wishes())) if (this.#sysctls.read(path) !== wanted) this.#sysctls.write(path, wanted);
  }

  remove(): readonly string[] {
    return [];
  }
}
