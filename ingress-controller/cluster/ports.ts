import { createHash } from 'node:crypto';
import type { EndpointSlice } from '../../kube/index.ts';
import { compareText } from '../../model/index.ts';

const FIRST = 20_002;
const LAST = 29_999;
const COUNT = LAST - FIRST + 1;

/** The port of the nodes that an EndpointSlice of ours remembers; undefined where it has none that can be ours, as that of Cilium. */
export function rememberedPort({ ports }: EndpointSlice): number | undefined {
  const [first] = ports;
  const port = first?.port;
  return port !== undefined && port >= FIRST && port <= LAST && ports.every((other) => other.port === port) ? port : undefined;
}

/** Somebody whose EndpointSlice names a port. */
export interface PortClaim {
  /** `namespace/name` of the Ingress. */
  readonly ingress: string;
  /** When the slice was created; milliseconds. */
  readonly since: number;
}

/** Whose a port is that several slices name: that of the older slice, then the first by name. */
export function portOwner(claims: readonly PortClaim[]): string | undefined {
  return claims.toSorted((a, b) => a.since - b.since || compareText(a.ingress, b.ingress))[0]?.ingress;
}

/**
 * Chooses a port: by a hash of the Ingress' name, and if that is taken, at steps that depend on the name too, so that neighbours do not
 * line up. Every port is tried once. Undefined where all are taken.
 */
export function choosePort(ingress: string, isTaken: (port: number) => boolean): number | undefined {
  const digest = createHash('sha256').update(ingress).digest();
  const start = digest.readUInt32BE(0) % COUNT;
  let step = 1 + (digest.readUInt32BE(4) % (COUNT - 1));
  while (commonDivisor(step, COUNT) > 1) step++;
  for (let tried = 0; tried < COUNT; tried++) {
    const port = FIRST + ((start + tried * step) % COUNT);
    if (!isTaken(port)) return port;
  }
  return undefined;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
