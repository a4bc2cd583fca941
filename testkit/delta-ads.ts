import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';

const TYPE_PREFIX = 'type.googleapis.com/';

type Stream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/**
 * The least that an Envoy is content with: an xDS server that answers the first request for each type with what it was given
 * of that type, and never changes its mind. For tests of what is not the xDS server.
 *
 *     await using ads = await DeltaAds.listen(folder.join('xds.sock'));
 */
export class DeltaAds implements AsyncDisposable {
  /** Every request, oldest first; a NACK has an `errorDetail`. */
  readonly requests: DeltaDiscoveryRequest[] = [];
  readonly #server = new Server();
  readonly #resources = new Map<
    string,
    { readonly name: string; readonly schema: DescMessage; readonly message: MessageShape<DescMessage> }[]
  >();

  private constructor() {
    this.#server.addService(
      {
        DeltaAggregatedResources: {
          path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
          requestStream: true,
          responseStream: true,
          requestSerialize: (message: DeltaDiscoveryRequest) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)),
          requestDeserialize: (bytes: Buffer) => fromBinary(DeltaDiscoveryRequestSchema, bytes),
          responseSerialize: (message: DeltaDiscoveryResponse) => Buffer.from(toBinary(DeltaDiscoveryResponseSchema, message)),
          responseDeserialize: (bytes: Buffer) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
        },
      },
      { DeltaAggregatedResources: (stream: Stream) => this.#serve(stream) },
    );
  }

  /** Listens on a Unix socket. */
  static async listen(socket: string): Promise<DeltaAds> {
    const ads = new DeltaAds();
    await new Promise<void>((resolve, reject) => {
      ads.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
    return ads;
  }

  /** To be called before Envoy asks. */
  add<Schema extends DescMessage>(schema: Schema, name: string, message: MessageShape<Schema>): this {
    const typeUrl = TYPE_PREFIX + schema.typeName;
    this.#resources.set(typeUrl, [...(this.#resources.get(typeUrl) ?? []), { name, schema, message }]);
    return this;
  }

  #serve(stream: Stream): void {
    const answered = new Set<string>();
    stream.on('error', () => {});
    stream.on('end', () => stream.end());
    stream.on('data', (request: DeltaDiscoveryRequest) => {
      this.requests.push(request);
      if (answered.has(request.typeUrl)) return;
      answered.add(request.typeUrl);
      stream.write(this.#response(request.typeUrl));
    });
  }

  #response(typeUrl: string): DeltaDiscoveryResponse {
    const resources = (this.#resources.get(typeUrl) ?? []).map(({ name, schema, message }) => ({
      name,
      version: '1',
      resource: anyPack(schema, message),
    }));
    return create(DeltaDiscoveryResponseSchema, { typeUrl, nonce: typeUrl, resources });
  }

  /** Ends all streams at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
    await Promise.resolve();
  }
}
