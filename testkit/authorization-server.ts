import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import {
  type CheckRequest,
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '@sluice/envoy-protos/envoy/service/auth/v3/external_auth_pb.js';

const PATH = '/envoy.service.auth.v3.Authorization/Check';

/** A service that Envoy asks by gRPC about requests, which lets those in that have a header. */
export class AuthorizationServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;

  private constructor(port: number, server: Server) {
    this.port = port;
    this.#server = server;
  }

  /** @param header a request with it is let in, and goes on with `x-judged: yes` */
  static async start(header: string): Promise<AuthorizationServer> {
    const server = new Server();
    const check = {
      path: PATH,
      requestStream: false,
      responseStream: false,
      requestSerialize: (request: CheckRequest) => Buffer.from(toBinary(CheckRequestSchema, request)),
      requestDeserialize: (bytes: Buffer) => fromBinary(CheckRequestSchema, bytes),
      responseSerialize: (response: CheckResponse) => Buffer.from(toBinary(CheckResponseSchema, response)),
      responseDeserialize: (bytes: Buffer) => fromBinary(CheckResponseSchema, bytes),
    };
    server.addService(
      { Check: check },
      {
        Check: ({ request }: { readonly request: CheckRequest }, reply: (error: null, response: CheckResponse) => void) =>
          reply(null, judge(request, header)),
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    return new AuthorizationServer(port, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
    await Promise.resolve();
  }
}

function judge({ attributes }: CheckRequest, header: string): CheckResponse {
  const isIn = attributes?.request?.http?.headers[header] !== undefined;
  if (!isIn) return create(CheckResponseSchema, { status: { code: status.PERMISSION_DENIED } });
  const headers = [{ header: { key: 'x-judged', value: 'yes' } }];
  return create(CheckResponseSchema, { status: { code: status.OK }, httpResponse: { case: 'okResponse', value: { headers } } });
}
