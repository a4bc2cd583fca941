/** How long after a change was seen to be in force a request may begin and still be answered as before it, by another of Envoy's threads. */
const GRACE_MS = 1_000;

export interface TargetAddress {
  readonly scheme: 'http' | 'https';
  /** Default 127.0.0.1. */
  readonly address?: string;
  readonly port: number;
  readonly host: string;
  readonly path: string;
}

/** Something that must be answered at all times, and by whom. */
export class Target {
  readonly address: TargetAddress;
  /** By backend: until when a request may begin that it answers. */
  readonly #acceptable = new Map<string, number>();

  constructor(address: TargetAddress, ...backends: readonly string[]) {
    this.address = address;
    this.accept(...backends);
  }

  /** These may answer too from now on: a change is about to be made. */
  accept(...backends: readonly string[]): void {
    for (const name of backends) this.#acceptable.set(name, Number.POSITIVE_INFINITY);
  }

  /** The change is in force: soon nobody else may answer any more. */
  settle(...backends: readonly string[]): void {
    const end = performance.now() + GRACE_MS;
    for (const [name, until] of this.#acceptable) if (!backends.includes(name)) this.#acceptable.set(name, Math.min(until, end));
    this.accept(...backends);
  }

  /** Whether a backend may answer a request that began at a time of `performance.now()`, if it has been answered now. */
  isAcceptable(backend: string, startedAt: number): boolean {
    return startedAt <= (this.#acceptable.get(backend) ?? Number.NEGATIVE_INFINITY);
  }

  toString(): string {
    const { scheme, host, port, path } = this.address;
    return `${scheme}://${host}:${port}${path}`;
  }
}
