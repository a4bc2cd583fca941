import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientReadableStream, credentials } from '@grpc/grpc-js';
import type { Flow, FlowFilterSchema } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { GetFlowsRequestSchema, type GetFlowsResponse, GetFlowsResponseSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';

type Filter = MessageInitShape<typeof FlowFilterSchema>;

/** Asks a node what it has seen, as Hubble's clients do. */
export class FlowClient implements Disposable {
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure());
  }

  /** What is remembered, the oldest first. @param whitelist any of these; none: all */
  async flows(...whitelist: readonly Filter[]): Promise<Flow[]> {
    const told: Flow[] = [];
    for await (const { responseTypes } of this.#ask({ number: 1_000n, whitelist: [...whitelist] }))
      if (responseTypes.case === 'flow') told.push(responseTypes.value);
    return told;
  }

  /** Tells of each that is to come until it is aborted. Resolves when it would. */
  async follow(onFlow: (flow: Flow) => void, signal: AbortSignal, ...whitelist: readonly Filter[]): Promise<void> {
    const stream = this.#ask({ number: 1n, follow: true, whitelist: [...whitelist] });
    const begun = Promise.withResolvers<void>();
    stream.on('data', ({ responseTypes }: GetFlowsResponse) => {
      begun.resolve();
      if (responseTypes.case === 'flow') onFlow(responseTypes.value);
    });
    stream.on('error', (error) => begun.reject(error));
    signal.addEventListener('abort', () => stream.cancel());
    await begun.promise;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #ask(request: MessageInitShape<typeof GetFlowsRequestSchema>): ClientReadableStream<GetFlowsResponse> {
    return this.#client.makeServerStreamRequest(
      '/observer.Observer/GetFlows',
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => fromBinary(GetFlowsResponseSchema, bytes),
      toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, request)),
    );
  }
}
