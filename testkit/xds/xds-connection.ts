import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  type StatusObject,
} from '@grpc/grpc-js';

/** A channel to an xDS server, on which streams of bytes can be opened. */
export class XdsConnection implements Disposable {
  readonly #client: Client;

  /** @param target `unix:PATH` or `HOST:PORT` */
  constructor(target: string, options: ChannelOptions = {}, secured: ChannelCredentials = credentials.createInsecure()) {
    this.#client = new Client(target, secured, { 'grpc.max_receive_message_length': -1, ...options });
  }

  open(path: string): XdsStream {
    const call = this.#client.makeBidiStreamRequest(
      path,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer): Uint8Array => bytes,
    );
    return new XdsStream(call);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

export class XdsStream implements Disposable {
  readonly #call: ClientDuplexStream<Uint8Array, Uint8Array>;
  /** How the stream ended. */
  readonly ended: Promise<StatusObject>;

  constructor(call: ClientDuplexStream<Uint8Array, Uint8Array>) {
    this.#call = call;
    this.ended = new Promise((resolve) => call.on('status', resolve));
    // Every error is a status too.
    call.on('error', () => {});
  }

  send(request: Uint8Array): void {
    this.#call.write(request);
  }

  onResponse(receive: (response: Uint8Array) => void): void {
    this.#call.on('data', receive);
  }

  /** Half-closes, as a client does that is done. */
  end(): void {
    this.#call.end();
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
  }
}
