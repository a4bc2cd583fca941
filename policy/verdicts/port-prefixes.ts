/** Ports whose leading bits are alike. */
export interface PortPrefix {
  readonly port: number;
  /** 16 for one port, 0 for all. */
  readonly length: number;
}

const PORT_BITS = 16;

/** The fewest prefixes that make up the ports from `first` to `last`, both included; in ascending order. */
export function portPrefixes(first: number, last: number): PortPrefix[] {
  const prefixes: PortPrefix[] = [];
  for (let port = first; port <= last; ) {
    let bits = 0;
    while (bits < PORT_BITS && port % 2 ** (bits + 1) === 0 && port + 2 ** (bits + 1) - 1 <= last) bits++;
    prefixes.push({ port, length: PORT_BITS - bits });
    port += 2 ** bits;
  }
  return prefixes;
}
