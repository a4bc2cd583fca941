import { NetlinkError, RuleWatch } from '../netlink/index.ts';
import { SteeringNetworkError } from './network-error.ts';
import { isAsWanted, type NetworkItem, NOTHING } from './network-item.ts';
import { NetworkParts } from './network-parts.ts';
import { STEERING_DEVICE } from './steering-device.ts';
import type { PortRange } from './steering-table.ts';

export type SteeringNetworkEvent =
  /** Somebody else had changed or removed these; they are as they are to be again. Of one that keeps being changed it is told once a minute. */
  | { readonly kind: 'restored'; readonly items: readonly NetworkItem[] }
  /** The device was made anew: it has this number now, and no programs. */
  | { readonly kind: 'device'; readonly ifindex: number }
  /** Something cannot be as it is to be. The same is told once, until all was well again. */
  | { readonly kind: 'failed'; readonly error: SteeringNetworkError };

export interface SteeringNetworkOptions {
  /** Of this node, emptied when it starts: what was there before stands in it. */
  readonly stateFolder: string;
  /** Of Envoy's listeners: nobody reaches one directly. */
  readonly proxyPorts: PortRange;
  /** Where the kernel's settings are. Default: `/proc/sys/net`, or `/host/proc/sys/net` where that cannot be written to. */
  readonly sysctlFolder?: string;
  readonly onEvent: (event: SteeringNetworkEvent) => void;
}

/** As the status of a node shows it. */
export interface SteeringNetworkState {
  readonly ifindex: number;
  readonly items: readonly NetworkItem[];
  /** How often something was put right that somebody else had changed. */
  readonly restored: number;
  /** Why not everything is as it is to be. */
  readonly failure?: string;
}

/** Settings, routes and rules of Netfilter of which others tell nobody are looked at so often. */
const LOOK_MS = 500;
/** What changes comes in bursts. */
const SETTLE_MS = 50;
const SAY_AGAIN_MS = 60_000;

/**
 * What the network of a node must have for the kernel's programs to steer packets to Envoy: a device at which they come in again, routes that
 * deliver them here, settings and rules of Netfilter that keep others from interfering. It belongs to the network namespace of the thread that
 * opens it, needs CAP_NET_ADMIN there, and is for one process at a time: whoever has the node's datapath.
 *
 * It stays when it is disposed of; {@link removeSteeringNetwork} takes it away.
 */
export class SteeringNetwork implements Disposable {
  readonly #parts: NetworkParts;
  readonly #onEvent: (event: SteeringNetworkEvent) => void;
  readonly #resources = new DisposableStack();
  readonly #saidAt = new Map<string, number>();
  /** What was wanted when it was last made, by name. */
  #made: ReadonlyMap<string, string> = new Map();
  #ifindex = 0;
  #entryIfindex = 0;
  #restored = 0;
  #failure: SteeringNetworkError | undefined;
  #soon: NodeJS.Timeout | undefined;

  private constructor({ stateFolder, proxyPorts, sysctlFolder, onEvent }: SteeringNetworkOptions) {
    this.#onEvent = onEvent;
    this.#parts = this.#resources.use(new NetworkParts({ stateFolder, proxyPorts, ...(sysctlFolder !== undefined && { sysctlFolder }) }));
  }

  /**
   * Makes what is not there, and keeps it from then on. What an earlier process left is gone on with.
   * @throws SteeringNetworkError, after which what was made is left as it is
   */
  static open(options: SteeringNetworkOptions): SteeringNetwork {
    const network = new SteeringNetwork(options);
    try {
      network.#make();
      network.#watch();
      return network;
    } catch (error) {
      network[Symbol.dispose]();
      throw asNetworkError(error);
    }
  }

  /** Of the device at which packets come in again. It has another one after the event `device`. */
  get ifindex(): number {
    return this.#ifindex;
  }

  /** Of its other end, by which what Envoy's own sockets send gets there. It has another one when the device has. */
  get entryIfindex(): number {
    return this.#entryIfindex;
  }

  /** All that there must be, as it is now. @throws SteeringNetworkError */
  list(): readonly NetworkItem[] {
    return guard(() => this.#parts.items());
  }

  /** Puts right what is not as it is to be, and tells of it. @returns what that was @throws SteeringNetworkError */
  repair(): readonly NetworkItem[] {
    const wrong = this.list().filter((item) => !isAsWanted(item));
    if (wrong.length > 0 || this.#ifindex !== this.#parts.device.ifindex) {
      // What is wanted changes with the machine, and with what others have; that is nobody's doing.
      const undone = wrong.filter(({ name, wanted }) => (this.#made.get(name) ?? NOTHING) === wanted);
      guard(() => this.#make());
      this.#tellRestored(undone);
    }
    this.#failure = undefined;
    return wrong;
  }

  state(): SteeringNetworkState {
    const failure = this.#failure?.message;
    const items = this.list();
    return { ifindex: this.#ifindex, items, restored: this.#restored, ...(failure !== undefined && { failure }) };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#soon);
    this.#resources.dispose();
  }

  #make(): void {
    this.#parts.make();
    this.#made = new Map(this.#parts.items().map(({ name, wanted }) => [name, wanted]));
    const earlier = this.#ifindex;
    this.#ifindex = this.#parts.device.ifindex ?? 0;
    this.#entryIfindex = this.#parts.device.entryIfindex ?? 0;
    if (earlier !== 0 && this.#ifindex !== earlier) this.#onEvent({ kind: 'device', ifindex: this.#ifindex });
  }

  #watch(): void {
    this.#resources.use(new RuleWatch(() => this.#lookSoon()));
    const timer = setInterval(() => this.#look(), LOOK_MS);
    timer.unref();
    this.#resources.defer(() => clearInterval(timer));
  }

  #lookSoon(): void {
    if (this.#soon !== undefined) return;
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      this.#look();
    }, SETTLE_MS);
    this.#soon.unref();
  }

  #look(): void {
    if (this.#resources.disposed) return;
    try {
      this.repair();
    } catch (error) {
      const failure = asNetworkError(error);
      const isNew = this.#failure?.message !== failure.message;
      this.#failure = failure;
      if (isNew) this.#onEvent({ kind: 'failed', error: failure });
    }
  }

  #tellRestored(items: readonly NetworkItem[]): void {
    if (items.length > 0) this.#restored += 1;
    const now = performance.now();
    const news = items.filter(({ name }) => now - (this.#saidAt.get(name) ?? -SAY_AGAIN_MS) >= SAY_AGAIN_MS);
    for (const { name } of news) this.#saidAt.set(name, now);
    if (news.length > 0) this.#onEvent({ kind: 'restored', items: news });
  }
}

/**
 * All that there must be and is, or is not, in this network namespace, without changing anything; undefined where nobody has made the device.
 * @throws SteeringNetworkError
 */
export function inspectSteeringNetwork({ proxyPorts }: Pick<SteeringNetworkOptions, 'proxyPorts'>): readonly NetworkItem[] | undefined {
  return guard(() => {
    using parts = new NetworkParts({ proxyPorts });
    return parts.device.ifindex === undefined ? undefined : parts.items();
  });
}

/**
 * Takes away all that a {@link SteeringNetwork} made in this network namespace, and sets what it changed to what it was before, unless somebody
 * else has changed it since. Where nothing was made nothing is done. Nobody may have it open.
 * @returns what was there, for people to read
 * @throws SteeringNetworkError
 */
export function removeSteeringNetwork({
  stateFolder,
  sysctlFolder,
}: Pick<SteeringNetworkOptions, 'stateFolder' | 'sysctlFolder'>): readonly string[] {
  return guard(() => {
    // Which ports were guarded does not matter to who takes away the table.
    using parts = new NetworkParts({ stateFolder, ...(sysctlFolder !== undefined && { sysctlFolder }), proxyPorts: { first: 0, last: 0 } });
    return parts.remove();
  });
}

function guard<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asNetworkError(error);
  }
}

function asNetworkError(error: unknown): SteeringNetworkError {
  if (error instanceof SteeringNetworkError) return error;
  if (!(error instanceof NetlinkError)) throw error;
  if (error.errnoName === 'EPERM')
    return new SteeringNetworkError('not-permitted', 'the network of this node cannot be changed: it needs CAP_NET_ADMIN', {
      cause: error,
    });
  return new SteeringNetworkError('refused', `the network of this node cannot be made as ${STEERING_DEVICE} needs it: ${error.message}`, {
    cause: error,
  });
}
