import { create, toBinary } from '@bufbuild/protobuf';
import { StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';
import { REPORT_PATH, writeRefusal } from '../serve/index.ts';
import { BackOff } from './back-off.ts';
import { Upstream, type UpstreamAddress } from './upstream.ts';

/** Each attempt may come to another controller, of which one takes reports. */
const BACK_OFF = { firstMs: 200, maxMs: 5_000 };
/** A connection of its own: the next one may be to another controller, where one address stands for all. */
const CHANNEL = { 'grpc.use_local_subchannel_pool': 1 };

/**
 * Tells the controller that takes reports what this node's Envoy refuses, and looks for it among all of them. There is a stream as long as there
 * is something to tell.
 */
export class NodeReporter implements Disposable {
  readonly #address: UpstreamAddress;
  readonly #backOff: BackOff;
  #upstream: Upstream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #refused: ReadonlyMap<string, string> = new Map();

  constructor(address: UpstreamAddress) {
    const { firstMs, maxMs } = address.backOff ?? BACK_OFF;
    this.#address = address;
    this.#backOff = new BackOff(firstMs, maxMs);
  }

  /** @param refused all of it, in Envoy's words by name */
  tell(refused: ReadonlyMap<string, string>): void {
    this.#refused = refused;
    if (refused.size === 0) this[Symbol.dispose]();
    else if (this.#upstream) this.#send();
    else if (!this.#timer) this.#open();
  }

  /** What was told is forgotten. */
  [Symbol.dispose](): void {
    this.#close();
    this.#backOff.reset();
  }

  #open(): void {
    this.#close();
    const events = { onOpen: () => this.#send(), onMessage: () => {}, onClose: () => this.#again() };
    this.#upstream = new Upstream({ ...this.#address, channel: { ...this.#address.channel, ...CHANNEL } }, events, REPORT_PATH);
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

  #send(): void {
    const report = writeRefusal({ message: 'refused by Envoy', resources: this.#refused });
    this.#upstream?.send(toBinary(StatusSchema, create(StatusSchema, report)));
  }
}
