import type { NetworkItem, NetworkPart } from './network-item.ts';
import type { Remembered } from './remembered.ts';
import { nameOf, type Sysctls } from './sysctls.ts';

const EARLY_DEMUX = 'ipv4/tcp_early_demux';
const PORT_RANGE = 'ipv4/ip_local_port_range';
/** Envoy's own connections have the highest ports, which it may only ask for where everybody could have them. */
const LAST_PORT = '65535';

interface SysctlWish {
  readonly path: string;
  readonly wanted: string;
  readonly found: string | undefined;
  /** What of a value matters. */
  readonly show: (value: string) => string;
}

/** Settings of the whole namespace. Those that are no more as they were made are left as they are when all is removed. */
export class NodeSysctls implements NetworkPart {
  readonly #sysctls: Sysctls;
  readonly #remembered: Remembered;

  constructor(sysctls: Sysctls, remembered: Remembered) {
    this.#sysctls = sysctls;
    this.#remembered = remembered;
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
    this.#remembered.remember(Object.fromEntries(wrong.flatMap(({ path, found }) => (found === undefined ? [] : [[path, found]]))));
    for (const { path, wanted } of wrong) this.#sysctls.write(path, wanted);
  }

  remove(): readonly string[] {
    return this.#wishes().flatMap(({ path, wanted, found }) => {
      const before = this.#remembered.sysctl(path);
      if (before === undefined || before === found || found !== wanted) return [];
      this.#sysctls.write(path, before);
      return [`${nameOf(path)} is ${before} again`];
    });
  }

  #wishes(): readonly SysctlWish[] {
    const range = this.#sysctls.read(PORT_RANGE);
    return [
      // Envoy's socket would be found before the programs at a pod's door look, for packets that are another's.
      { path: EARLY_DEMUX, wanted: '0', found: this.#sysctls.read(EARLY_DEMUX), show: (value) => value },
      { path: PORT_RANGE, wanted: `${range?.split(' ')[0] ?? '32768'} ${LAST_PORT}`, found: range, show: upTo },
    ];
  }
}

function upTo(range: string): string {
  return `up to ${range.split(' ')[1]}`;
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
