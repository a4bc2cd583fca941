import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import type { XdsStream } from './xds-connection.ts';

type DeltaRequest = MessageInitShape<typeof DeltaDiscoveryRequestSchema>;
type SotwRequest = MessageInitShape<typeof DiscoveryRequestSchema>;

/** One end of a stream that says only what a test tells it to, and hands out responses one by one. */
class Peer<Response> {
  readonly stream: XdsStream;
  readonly #decode: (bytes: Uint8Array) => Response;
  readonly #unread: Response[] = [];
  readonly #readers: ((response: Response) => void)[] = [];

  constructor(stream: XdsStream, decode: (bytes: Uint8Array) => Response) {
    this.stream = stream;
    this.#decode = decode;
    stream.onResponse((bytes) => this.#receive(bytes));
  }

  get unread(): readonly Response[] {
    return this.#unread;
  }

  next(): Promise<Response> {
    const response = this.#unread.shift();
    if (response) return Promise.resolve(response);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  #receive(bytes: Uint8Array): void {
    const response = this.#decode(bytes);
    const reader = this.#readers.shift();
    if (reader) reader(response);
    else this.#unread.push(response);
  }
}

export class DeltaPeer extends Peer<DeltaDiscoveryResponse> {
  constructor(stream: XdsStream) {
    super(stream, (bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes));
  }

  say(request: DeltaRequest): void {
    this.stream.send(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request)));
  }

  ack({ typeUrl, nonce }: DeltaDiscoveryResponse): void {
    this.say({ typeUrl, responseNonce: nonce });
  }

  nack({ typeUrl, nonce }: DeltaDiscoveryResponse, message: string): void {
    this.say({ typeUrl, responseNonce: nonce, errorDetail: { code: 3, message } });
  }

  async nextAcked(): Promise<DeltaDiscoveryResponse> {
    const response = await this.next();
    this.ack(response);
    return response;
  }
}

export class SotwPeer extends Peer<DiscoveryResponse> {
  constructor(stream: XdsStream) {
    super(stream, (bytes) => fromBinary(DiscoveryResponseSchema, bytes));
  }

  say(request: SotwRequest): void {
    this.stream.send(toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, request)));
  }

  ack({ typeUrl, nonce, versionInfo }: DiscoveryResponse, resourceNames: string[] = []): void {
    this.say({ typeUrl, responseNonce: nonce, versionInfo, resourceNames });
  }
}

/** What a delta response sets and removes, in words that are easy to compare: `+name@version`, `-name`. */
export function wordsOf({ resources, removedResources }: DeltaDiscoveryResponse): string[] {
  return [...resources.map(({ name, version }) => `+${name}@${version}`), ...removedResources.map((name) => `-${name}`)].sort();
}
