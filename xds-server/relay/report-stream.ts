import { BackOff } from './back-off.ts';
import { Upstream, type UpstreamAddress } from './upstream.ts';

/** Each attempt may come to another controller, of which one takes reports. */
const BACK_OFF = { firstMs: 200, maxMs: 5_000 };
/** A connection of its own: the next one may be to another controller, where one address stands for all. */
const CHANNEL = { 'grpc.use_local_subchannel_pool': 1 };

/** A stream to the controller that takes reports, which is looked for among all of them, again and again, while the stream is to be open. */
export class ReportStream implements Disposable {
  readonly #address: UpstreamAddress;
  readonly #path: string;
  readonly #onOpen: () => void;
  readonly #backOff: BackOff;
  #upstream: Upstream | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param onOpen everything is to be said anew, to somebody who may not listen */
  constructor(address: UpstreamAddress, path: string, onOpen: () => void) {
    const { firstMs, maxMs } = address.backOff ?? BACK_OFF;
    this.#address = address;
    this.#path = path;
    this.#onOpen = onOpen;
    this.#backOff = new BackOff(firstMs, maxMs);
  }

  /** Whether there is a stream; somebody may be looked for meanwhile. */
  get isOpen(): boolean {
    return this.#upstream !== undefined;
  }

  /** Opens a stream, unless there is one or is to be one soon. */
  open(): void {
    if (this.#upstream || this.#timer) return;
    this.#open();
  }

  /** What was told is forgotten. */
  close(): void {
    this.#close();
    this.#backOff.reset();
  }

  send(message: Uint8Array): void {
    this.#upstream?.send(message);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): void {
    this.#close();
    const events = { onOpen: () => this.#onOpen(), onMessage: () => {}, onClose: () => this.#again() };
    this.#upstream = new Upstream({ ...this.#address, channel: { ...this.#address.channel, ...CHANNEL } }, events, this.#path);
    this.#upstream.open();
  }

  #again(): void {
    this.#close();
    this.#timer = setTimeout(() => this.#open(), this.#backOff.next()).unref();
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#upstream?.close();
    this.#upstream = undefined;
  }
}
