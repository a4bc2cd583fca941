import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { BackOff } from './back-off.ts';

/** Where the controllers are. */
export interface UpstreamAddress {
  /**
   * As gRPC names it: `dns:///NAME:PORT` for all addresses of a name, `ipv4:A:PORT,B:PORT`, `unix:PATH`. A stream goes to any of
   * them that can be reached.
   */
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** Added to the channel's options. */
  readonly channel?: ChannelOptions;
  /**
   * Bounds of the wait before a stream is opened again, in milliseconds. Default 400 and 5000. Where no controller can be reached, it is
   * also over when one can.
   */
  readonly backOff?: { readonly firstMs: number; readonly maxMs: number };
}

export interface UpstreamEvents {
  /** A stream was opened; what is to be said first is said now. */
  onOpen(): void;
  onMessage(bytes: Uint8Array): void;
  onClose(status: StatusObject, retryMs: number): void;
}

const CHANNEL: ChannelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // Connections to all controllers are kept, so that another one takes over without a handshake.
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  'grpc.service_config_disable_resolution': 1,
  'grpc.keepalive_time_ms': 15_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.dns_min_time_between_resolutions_ms': 2_000,
};

type Call = ClientDuplexStream<Uint8Array, Uint8Array>;

/** One stream to a controller, opened again and again until it is closed. */
export class Upstream {
  readonly #client: Client;
  readonly #events: UpstreamEvents;
  readonly #path: string;
  readonly #backOff: BackOff;
  #call: Call | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** Whether a connection is waited for. */
  #isWatching = false;

  /** @param path of the method, one of the delta variant */
  constructor({ target, credentials, channel, backOff }: UpstreamAddress, events: UpstreamEvents, path: string) {
    this.#client = new Client(target, credentials, { ...CHANNEL, ...channel });
    this.#events = events;
    this.#path = path;
    this.#backOff = new BackOff(backOff?.firstMs ?? 400, backOff?.maxMs ?? 5_000);
  }

  /** The address that the stream goes to; undefined while there is none. */
  get peer(): string | undefined {
    return this.#call?.getPeer();
  }

  send(request: Uint8Array): void {
    this.#call?.write(request);
  }

  /** Opens a stream; one that is there is given up. */
  open(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#cancel();
    const call: Call = this.#client.makeBidiStreamRequest(
      this.#path,
      (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      (bytes: Buffer): Uint8Array => bytes,
    );
    this.#call = call;
    call.on('data', (bytes: Uint8Array) => {
      if (this.#call !== call) return;
      this.#backOff.reset();
      this.#events.onMessage(bytes);
    });
    // Every error is a status too.
    call.on('error', () => {});
    call.on('status', (ended) => this.#ended(call, ended));
    this.#events.onOpen();
  }

  /** Gives up a stream that makes no sense; another is opened after a while. */
  fail(message: string): void {
    const call = this.#call;
    if (!call) return;
    this.#ended(call, { code: status.INTERNAL, details: message, metadata: new Metadata() });
    call.cancel();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#cancel();
    this.#client.close();
  }

  #cancel(): void {
    const call = this.#call;
    this.#call = undefined;
    call?.cancel();
  }

  #ended(call: Call, ended: StatusObject): void {
    if (this.#call !== call) return;
    this.#call = undefined;
    const retryMs = this.#backOff.next();
    this.#timer = setTimeout(() => this.open(), retryMs).unref();
    this.#openOnceConnected();
    this.#events.onClose(ended, retryMs);
  }

  /** The channel tries to connect by itself, and at more than one controller. */
  #openOnceConnected(): void {
    const channel = this.#client.getChannel();
    const unreachable = connectivityState.TRANSIENT_FAILURE;
    if (this.#isWatching || channel.getConnectivityState(true) !== unreachable) return;
    this.#isWatching = true;
    channel.watchConnectivityState(unreachable, Number.POSITIVE_INFINITY, () => {
      this.#isWatching = false;
      if (!this.#call && !this.#isClosed) this.open();
    });
  }
}
