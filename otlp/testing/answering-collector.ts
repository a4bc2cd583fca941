import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Metadata, Server, ServerCredentials, type ServerUnaryCall, type ServiceError } from '@grpc/grpc-js';

type Service = 'Logs' | 'Trace';

/** Encoded. */
export interface CollectorAnswer {
  readonly body?: Uint8Array;
  /** Of HTTP; 200 where nothing is said. */
  readonly code?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of gRPC. */
  readonly error?: Pick<ServiceError, 'code'> & { readonly details?: Uint8Array };
}

/** A collector by both of OpenTelemetry's protocols, which answers as it is told to. */
export class AnsweringCollector implements AsyncDisposable {
  /** What it answers from now on, the last of them as often as it is asked. */
  answers: readonly CollectorAnswer[] = [{}];
  /** The last that it was sent, encoded. */
  received: Uint8Array = new Uint8Array();
  readonly #http = createServer((request, response) => {
    void buffer(request).then((body) => {
      const { code = 200, headers = {}, body: answer = new Uint8Array() } = this.#next(body);
      response.writeHead(code, headers).end(answer);
    });
  });
  readonly #grpc: Server;
  #ports = { grpc: 0, http: 0 };

  private constructor(mostBytes: number) {
    this.#grpc = new Server({ 'grpc.max_receive_message_length': mostBytes });
    for (const service of ['Logs', 'Trace'] as const) this.#serve(service);
  }

  /** @param mostBytes of a message by gRPC */
  static async start(mostBytes: number): Promise<AnsweringCollector> {
    const collector = new AnsweringCollector(mostBytes);
    await collector.#listen();
    return collector;
  }

  endpoint(protocol: 'grpc' | 'http'): string {
    return `http://127.0.0.1:${this.#ports[protocol]}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#grpc.forceShutdown();
    this.#http.close();
    this.#http.closeAllConnections();
    await once(this.#http, 'close');
  }

  async #listen(): Promise<void> {
    const grpc = await new Promise<number>((resolve, reject) =>
      this.#grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
    );
    await once(this.#http.listen(0, '127.0.0.1'), 'listening');
    this.#ports = { grpc, http: portOf(this.#http.address()) };
  }

  #serve(service: Service): void {
    const pass = (bytes: Buffer) => bytes;
    const passed = { requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass };
    const path = `/opentelemetry.proto.collector.${service.toLowerCase()}.v1.${service}Service/Export`;
    this.#grpc.addService(
      { export: { path, requestStream: false, responseStream: false, ...passed } },
      {
        export: (call: ServerUnaryCall<Buffer, Buffer>, reply: (error: Partial<ServiceError> | null, value: Buffer) => void) => {
          const { error, body = new Uint8Array() } = this.#next(call.request);
          reply(error ? refusalOf(error) : null, Buffer.from(body));
        },
      },
    );
  }

  #next(body: Uint8Array): CollectorAnswer {
    this.received = body;
    const [answer = {}, ...rest] = this.answers;
    if (rest.length > 0) this.answers = rest;
    return answer;
  }
}

function refusalOf({ code, details }: NonNullable<CollectorAnswer['error']>): Partial<ServiceError> {
  const metadata = new Metadata();
  if (details) metadata.set('grpc-status-details-bin', Buffer.from(details));
  return { code, details: 'no', metadata };
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
