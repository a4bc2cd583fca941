import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { listeningPorts } from '../listening-sockets.ts';
import { replaceFile } from '../replace-file.ts';
import { ProxyPortError } from './proxy-port-error.ts';

/** Where proxy ports are from and to, both included. Below what systems use for connections that they open, and below node ports. */
export const PROXY_PORTS = { first: 10_000, last: 19_999 } as const;

/** Those within that are somebody's even while nobody listens: Kubernetes' own programs (10248 to 10260), and Sluice's and other meshes'. */
const LEFT_OUT = [
  { first: 10_248, last: 10_260 },
  { first: 15_000, last: 15_099 },
] as const;

/** How long nobody has the port of a slot that is gone: packets and connections of that slot would be taken for the next one's. */
const REST_MS = 60_000;
const FILE = 'proxy-ports.json';

const port = z.int().min(PROXY_PORTS.first).max(PROXY_PORTS.last);
const record = z
  .object({ ports: z.record(z.string(), port), resting: z.record(z.string(), port) })
  .refine((read) => areDistinct([...Object.values(read.ports), ...Object.values(read.resting)]));

export interface ProxyPortsOptions {
  /** Monotonic, in milliseconds. Default: `performance.now`. */
  readonly now?: () => number;
  /** The ports of this network namespace that are listened on. Default: what the kernel says. */
  readonly listening?: () => ReadonlySet<number>;
}

/** What came of asking for ports. */
export interface ProxyPortAllocation {
  /** By slot; those that got none are not in it. */
  readonly ports: ReadonlyMap<string, number>;
  /** Why some got none. */
  readonly failure?: ProxyPortError;
}

interface Resting {
  readonly port: number;
  readonly until: number;
}

/**
 * Which port of this node is which slot's. It is written down before anybody is told, so a slot keeps its port over restarts of the agent, and
 * of Envoy. For one process at a time: the state folder's.
 */
export class ProxyPorts {
  readonly #path: string;
  readonly #now: () => number;
  readonly #listening: () => ReadonlySet<number>;
  #ports: ReadonlyMap<string, number>;
  /** By the slot that had the port last. */
  #resting: ReadonlyMap<string, Resting>;
  /** Where to look first, so that a port that was had is had again as late as can be. */
  #next: number;

  private constructor(path: string, { now = () => performance.now(), listening = listeningPorts }: ProxyPortsOptions) {
    const { ports, resting } = readRecord(path);
    this.#path = path;
    this.#now = now;
    this.#listening = listening;
    this.#ports = new Map(Object.entries(ports));
    const until = now() + REST_MS;
    this.#resting = new Map(Object.entries(resting).map(([slot, each]) => [slot, { port: each, until }]));
    this.#next = Math.max(PROXY_PORTS.first - 1, ...this.#ports.values()) + 1;
  }

  /**
   * Who had a port when the folder was last in use has it again; ports that were at rest begin to be so anew. A file that cannot be read is as
   * none: what Envoy listens on is left alone all the same.
   * @param stateFolder which is there
   */
  static open(stateFolder: string, options: ProxyPortsOptions = {}): ProxyPorts {
    return new ProxyPorts(join(stateFolder, FILE), options);
  }

  /**
   * A port for each of these slots: the one that it has, or had a moment ago, else one that nobody has, had in the last minute or listens on.
   * Where that cannot be written down, nobody gets a new one.
   */
  allocate(slots: readonly string[]): ProxyPortAllocation {
    const wanting = [...new Set(slots)].filter((slot) => !this.#ports.has(slot));
    const failure = wanting.length === 0 ? undefined : this.#add(wanting);
    const ports = new Map(slots.flatMap((slot) => pairWith(slot, this.#ports.get(slot))));
    return failure === undefined ? { ports } : { ports, failure };
  }

  /**
   * Takes these slots' ports, which are left alone for a minute. Slots that have none are passed over.
   * @throws ProxyPortError `not-written`: they have them still
   */
  release(slots: readonly string[]): void {
    const released = slots.flatMap((slot) => pairWith(slot, this.#ports.get(slot)));
    if (released.length === 0) return;
    const gone = new Set(slots);
    const ports = [...this.#ports].filter(([slot]) => !gone.has(slot));
    this.#write(new Map(ports), new Map([...this.#stillResting(), ...released.map(([slot, each]) => [slot, this.#rest(each)] as const)]));
  }

  /**
   * Another port for a slot at whose own Envoy cannot listen: somebody else began to while no Envoy did.
   * @throws ProxyPortError `exhausted`, `not-written`: it has the earlier one still
   */
  move(slot: string): number {
    const earlier = this.#ports.get(slot);
    const resting = this.#stillResting();
    const [found] = this.#findFree(1, resting);
    if (found === undefined) throw this.#exhausted(resting.size);
    // Under a name that no slot has, or the slot would get it back.
    const left = earlier === undefined ? [] : [[`${slot} moved from ${earlier}`, this.#rest(earlier)] as const];
    this.#write(new Map([...this.#ports, [slot, found]]), new Map([...resting, ...left]));
    return found;
  }

  #add(wanting: readonly string[]): ProxyPortError | undefined {
    const resting = this.#stillResting();
    const ports = new Map(this.#ports);
    const others = wanting.filter((slot) => {
      const had = resting.get(slot);
      if (had !== undefined) ports.set(slot, had.port);
      return had === undefined;
    });
    const free = others.length === 0 ? [] : this.#findFree(others.length, resting);
    for (const [index, each] of free.entries()) ports.set(others[index] ?? '', each);
    for (const slot of wanting) resting.delete(slot);
    try {
      this.#write(ports, resting);
    } catch (error) {
      if (error instanceof ProxyPortError) return error;
      throw error;
    }
    return free.length < others.length ? this.#exhausted(resting.size) : undefined;
  }

  #findFree(count: number, resting: ReadonlyMap<string, Resting>): readonly number[] {
    const taken = new Set([...this.#listening(), ...this.#ports.values(), ...[...resting.values()].map((each) => each.port)]);
    const size = PROXY_PORTS.last - PROXY_PORTS.first + 1;
    const inTurn = Iterator.from(Array(size).keys()).map((step) => PROXY_PORTS.first + ((this.#next - PROXY_PORTS.first + step) % size));
    const found = inTurn
      .filter((each) => !taken.has(each) && !LEFT_OUT.some(({ first, last }) => first <= each && each <= last))
      .take(count)
      .toArray();
    this.#next = (found.at(-1) ?? this.#next) + 1;
    return found;
  }

  #stillResting(): Map<string, Resting> {
    const now = this.#now();
    return new Map([...this.#resting].filter(([, { until }]) => until > now));
  }

  #rest(each: number): Resting {
    return { port: each, until: this.#now() + REST_MS };
  }

  #exhausted(resting: number): ProxyPortError {
    const range = `${PROXY_PORTS.first} to ${PROXY_PORTS.last}`;
    const message = `no proxy port is free from ${range}: ${this.#ports.size} slots have one each, ${resting} are at rest, others are listened on`;
    return new ProxyPortError('exhausted', message);
  }

  #write(ports: ReadonlyMap<string, number>, resting: ReadonlyMap<string, Resting>): void {
    const atRest = [...resting].map(([slot, each]) => [slot, each.port] as const);
    const content = { ports: Object.fromEntries(ports), resting: Object.fromEntries(atRest) } satisfies z.input<typeof record>;
    try {
      replaceFile(this.#path, `${JSON.stringify(content)}\n`);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ProxyPortError('not-written', `cannot write down who has which proxy port: ${reason}`, { cause });
    }
    this.#ports = ports;
    this.#resting = resting;
  }
}

function readRecord(path: string): z.output<typeof record> {
  try {
    return record.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return { ports: {}, resting: {} };
  }
}

function areDistinct(numbers: readonly number[]): boolean {
  return new Set(numbers).size === numbers.length;
}

function pairWith(slot: string, found: number | undefined): readonly (readonly [slot: string, port: number])[] {
  return found === undefined ? [] : [[slot, found]];
}
